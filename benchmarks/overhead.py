"""Which share of a run is not training.

    python benchmarks/overhead.py [--preset NAME] [--cold]

`dvc repro` of params.yaml, or of a preset, in a clone of its own: seconds of each kind of stage, from the
line with which DVC begins it to the next line of this kind. Those of a training count as training as far as
its record says so, which is from its first step to its last epoch, with the validation after each. `--cold`
starts each stage without the warm process (`kdpipe.parallel.warm`).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from kdpipe.cells.record import RECORD_FILE, load_record
from kdpipe.commands.plan import KINDS

ROOT = Path(__file__).parents[1]
BEGINS = re.compile(r"(?:Running stage|Stage) '([^'@]+)(?:@[^']*)?'")  # run, or restored or up to date
REPRO = ("dvc", "repro")
AFTER = "dvc, before and after"
TRAININGS = "training"


def timed(clone: Path, environment: dict[str, str]) -> Counter[str]:
    """Run `dvc repro`, and return the seconds of each kind of stage; the rest is DVC's own."""
    spent: Counter[str] = Counter()
    current, since = AFTER, time.monotonic()
    process = subprocess.Popen(
        REPRO,
        cwd=clone,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    for line in process.stdout:
        sys.stderr.write(line)
        if found := BEGINS.match(line):
            now = time.monotonic()
            spent[current] += now - since
            current, since = found[1], now
    spent[current] += time.monotonic() - since
    if process.wait():
        sys.exit("dvc repro failed")
    return spent


def main() -> None:
    """Print a table of seconds by kind of stage, and the share that is not training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset")
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        clone = Path(temporary) / "clone"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(clone)}
        if options.cold:
            environment["KDPIPE_WARM"] = "0"
        run = partial(subprocess.run, env=environment, check=True)
        run(["git", "clone", "--quiet", str(ROOT), str(clone)])
        if options.preset:
            run(["kdpipe", "preset", options.preset], cwd=clone)
        spent = timed(clone, environment)
        records = [load_record(path.parent) for path in clone.rglob(f"train/{RECORD_FILE}")]
        records += [load_record(path.parent) for path in clone.glob(f"models/teachers/*/{RECORD_FILE}")]
    inside = {TRAININGS: sum(record.seconds for record in records)}
    trains = [kind for kind in spent if kind.removeprefix("confirm_") in KINDS]
    outside = {"around trainings": sum(spent.pop(kind) for kind in trains) - inside[TRAININGS], **spent}
    table = pd.DataFrame({"seconds": {**inside, **outside}})
    table["share"] = table["seconds"] / table["seconds"].sum()
    print(table.to_markdown(floatfmt=("", ".0f", ".3f")))
    print(f"share outside = {100 * sum(outside.values()) / table['seconds'].sum():.0f} %")


if __name__ == "__main__":
    main()
