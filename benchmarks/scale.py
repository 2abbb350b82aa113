"""What it costs to run the stages of a pipeline side by side.

    python benchmarks/scale.py [--cells N] [--seconds S] [--many N]

Pipelines of made-up trainings, each of which sleeps: run by `dvc repro`, one after another, and by
`kdpipe repro --jobs 2`. Then the same of many trainings that take no time, and of twice as many, which shows
what the process that drives them does for each; a run in which nothing is to be done, beside `dvc status`;
and what follows from these figures for more GPUs than are here, by simulation.
"""

from __future__ import annotations

import argparse
import heapq
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[1]
WORKERS = 2
FEW = 100  # cells, to see how the cost of a cell grows with their number
GPUS = (8, 64, 250, 1000)
MINUTES = (1, 10, 60)  # of a training
CELLS_PER_GPU = 5


class Sleepers:
    """A repository with a pipeline whose trainings sleep."""

    def __init__(self, folder: Path, cells: int, seconds: float) -> None:
        """Make it."""
        self.folder = folder
        folder.mkdir()
        shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
        train = {
            "matrix": {"seed": list(range(cells))},
            "cmd": f"mkdir -p runs && sleep {seconds} && echo ${{item.seed}} > runs/${{item.seed}}",
            "params": ["data.task"],
            "outs": ["runs/${item.seed}"],
        }
        OmegaConf.save(OmegaConf.create({"stages": {"train": train}}), folder / "dvc.yaml")
        (folder / ".gitignore").write_text("/runs\n/.kdpipe\n", encoding="utf-8")
        for command in ("git init --quiet", "dvc init --quiet", "git add --all"):
            self.run(command)

    def run(self, command: str) -> float:
        """How many seconds a command takes."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
        started = time.perf_counter()
        answer = subprocess.run(
            command.split(),
            cwd=self.folder,
            env=environment,
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if answer.returncode:
            sys.exit(f"{command}: {answer.stdout}{answer.stderr}")
        return time.perf_counter() - started


def simulate(gpus: int, seconds: float, cells: int, fixed: float, growing: float) -> float:
    """The share of the GPUs' time that trainings use, if one process begins and saves them all.

    For each cell it is busy for `fixed` seconds, and for `growing` more per cell that is in the lock file.
    """
    ends: list[float] = []
    driver, begun, saved = 0.0, 0, 0
    while saved < cells:
        if begun < cells and len(ends) < gpus:
            heapq.heappush(ends, driver + seconds)
            begun += 1
            continue
        driver = max(driver, heapq.heappop(ends)) + fixed + growing * saved
        saved += 1
    return cells * seconds / (gpus * driver)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cells", type=int, default=50, help="trainings that sleep")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each sleeps")
    parser.add_argument("--many", type=int, default=1000, help="trainings that take no time")
    options = parser.parse_args()
    side_by_side = f"kdpipe repro --jobs {WORKERS}"
    with TemporaryDirectory() as temporary:
        place = Path(temporary)
        work = options.cells * options.seconds
        for command in ("dvc repro", side_by_side):
            pipeline = Sleepers(place / command.split()[0], options.cells, options.seconds)
            took = pipeline.run(command)
            print(f"{command}, {options.cells} trainings of {options.seconds:g} s: {took:.0f} s", flush=True)
        sizes, times = (FEW, options.many, 2 * options.many), []
        for cells in sizes:
            pipeline = Sleepers(place / f"idle-{cells}", cells, 0)
            times.append(pipeline.run(side_by_side))
            print(f"{cells} empty cells: {times[-1]:.0f} s", flush=True)
        status, nothing = pipeline.run("dvc status"), pipeline.run(side_by_side)
    print(f"nothing to do for {sizes[-1]}: {nothing:.1f} s, {nothing / status:.2f} times `dvc status`")
    half_growing, fixed, _ = np.polyfit(sizes, times, deg=2)
    growing = max(0.0, 2 * half_growing)
    print(f"the driving process: {fixed:.2f} s a cell, {1000 * growing:.2f} ms more for each before it")
    for minutes in MINUTES:
        for gpus in GPUS:
            share = simulate(gpus, 60 * minutes, CELLS_PER_GPU * gpus, fixed, growing)
            print(f"simulated use, {gpus} GPUs, {minutes} min: {share:.0%}")
    efficiency = work / (WORKERS * took)
    overhead = (WORKERS * took - work) / options.cells
    print(f"efficiency on {WORKERS} workers = {efficiency:.2f}; overhead per cell = {overhead:.2f} s")


if __name__ == "__main__":
    main()
