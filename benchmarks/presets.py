"""What presets come to: each in a clone of its own, from its data to its table.

    python benchmarks/presets.py [NAME ...] [--out FOLDER]

For each preset, by default those of the tasks on the embedded data, the commands that a user types:
`kdpipe preset NAME`, then `dvc repro`. Table and picture go to docs/results, where they are committed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
TASKS = ("digits-segment", "digits-pose", "digits-obb")


def make(name: str, out: Path) -> None:
    """Run one preset; what it prints is shown."""
    with TemporaryDirectory() as temporary:
        clone = Path(temporary) / "kdpipe"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(clone)}
        run = partial(subprocess.run, env=environment, check=True)
        run(["git", "clone", "--quiet", str(ROOT), str(clone)])
        for command in (["kdpipe", "preset", name], ["dvc", "repro"]):
            run(command, cwd=clone)
        shutil.copyfile(clone / "reports/benchmark.md", out / f"{name}.md")
        shutil.copyfile(clone / "reports/plots/dis.png", out / f"{name}.png")


def main() -> None:
    """Run the presets, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=TASKS)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        make(name, options.out.resolve())


if __name__ == "__main__":
    main()
