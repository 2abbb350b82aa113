"""What presets come to: each in a clone of its own, from its data to its table.

    python benchmarks/presets.py [NAME ...] [--source DATA] [--weights FOLDER] [--jobs N] [--clones FOLDER]
                                 [--out FOLDER]

For each preset, by default those of the tasks on the embedded data, the commands that a user types:
`kdpipe preset NAME`, then `kdpipe repro`. Table, gains and pictures go to docs/results, where they are
committed. What is interrupted goes on in its clone when it is called again with the same --clones.
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

from omegaconf import OmegaConf

ROOT = Path(__file__).parents[1]
TASKS = ("digits-segment", "digits-pose", "digits-obb")


def make(name: str, clone: Path, options: argparse.Namespace) -> None:
    """Run one preset; what it prints is shown."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(clone)}
    run = partial(subprocess.run, env=environment, check=True)
    if not clone.exists():
        run(["git", "clone", "--quiet", str(ROOT), str(clone)])
        run(["kdpipe", "preset", name], cwd=clone)
        if options.source:
            shutil.copytree(options.source, clone / OmegaConf.load(clone / "params.yaml").data.source)
        if options.weights:
            shutil.copytree(options.weights, clone / "weights")
    run(["kdpipe", "repro", "--jobs", str(options.jobs)], cwd=clone)
    shutil.copyfile(clone / "reports/benchmark.md", options.out / f"{name}.md")
    shutil.copyfile(clone / "reports/numbers/gains.csv", options.out / f"{name}.csv")
    plots = clone / "reports/plots"
    shutil.copyfile(plots / "costs.png", options.out / f"{name}-costs.png")
    over_dis = plots / "dis.png"  # not there with a single dis
    shutil.copyfile(over_dis if over_dis.exists() else plots / "forest.png", options.out / f"{name}.png")


def main() -> None:
    """Run the presets, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=TASKS)
    parser.add_argument("--source", type=Path, help="a copy of it goes where the preset looks for its data")
    parser.add_argument("--weights", type=Path, help="a copy of it becomes the folder weights of the clone")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--clones", type=Path, help="folder that is kept; by default a temporary one")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        clones = options.clones or Path(temporary)
        for name in options.names:
            make(name, clones.resolve() / name, options)


if __name__ == "__main__":
    main()
