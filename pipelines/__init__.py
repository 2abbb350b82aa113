"""Entry points of the stages of dvc.yaml, one module per stage; no stage imports another."""

import sys
from importlib.util import find_spec

if find_spec("omegaconf") is None or find_spec("rich") is None:
    # DVC runs the `python` on PATH, also if DVC itself was called by its path.
    sys.stderr.write(
        f"error: {sys.executable} does not have kdpipe's packages; activate their environment "
        "(source .venv/bin/activate), then run `dvc repro` again\n"
    )
    sys.exit(2)

command = sys.orig_argv[1:]  # of `python -m pipelines.NAME`
if command[:1] == ["-m"] and command[1].startswith("pipelines."):
    from kdpipe.parallel.warm import run_warm

    run_warm(command[1], command[2:])
