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
