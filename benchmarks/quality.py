"""What whole trainings reach: Ultralytics alone and distilling, kdpipe alone and distilling.

    python benchmarks/quality.py [--seeds N] [--epochs N] [--dis X] [--jobs N] [--results FILE]

With the data and the arguments of the preset digits-start, yolo26n <- yolo26s from scratch, for many seeds;
each training in a process with one thread, several processes side by side. AP is Ultralytics' own of best.pt
on val with either head. What is done is written to FILE, from which an interrupted call goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.step import DISTILLED, OURS_DISTILLED, OURS_PLAIN, PLAIN, console, machine
from benchmarks.train import end_with_parent, kdpipe, ultralytics
from kdpipe.report.formatting import HEAD_NAMES, gain, markdown, spread
from kdpipe.report.gains import Measurement, paired_gain, summarise

FLOAT32 = "kdpipe distilled, float32"
VARIANTS = (PLAIN, OURS_PLAIN, DISTILLED, OURS_DISTILLED, FLOAT32)
SMALLEST = 0.005  # gain worth having, as in params.yaml
COMPARED = ((PLAIN, OURS_PLAIN), (DISTILLED, OURS_DISTILLED), (DISTILLED, FLOAT32))


def measure(variant: str, folder: Path, overrides: dict[str, Any]) -> dict[str, float]:
    """Train in this process, and validate the best checkpoint with both heads."""
    ours = variant.startswith("kdpipe")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        (kdpipe if ours else ultralytics)(folder, overrides)
        from ultralytics import YOLO

        model = YOLO(folder / ("best.pt" if ours else "weights/best.pt"))
        given = {"data": overrides["data"], "imgsz": overrides["imgsz"], "device": overrides["device"]}
        place = {"project": str(folder), "plots": False, "verbose": False, "workers": 0}
        return {head: float(model.val(nms=head == "nms", **given, **place).box.map) for head in HEAD_NAMES}


def begin() -> None:
    """Before anything is computed in a process: it has one thread, and ends with the one that started it."""
    import torch

    end_with_parent()
    torch.set_num_threads(1)


def main() -> None:
    """Train what is missing, then print the table and the differences."""
    from kdpipe.data.prepare import prepare
    from kdpipe.params.load import load
    from kdpipe.yolo.arguments import device
    from kdpipe.yolo.precision import measured

    params = load(Path(__file__).parents[1] / "pipelines/presets/digits-start.yaml")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=params.train["epochs"])
    parser.add_argument("--dis", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--results", type=Path, default=Path("quality.jsonl"))
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    print(machine())
    done = _read(options.results)
    mixed = device() != "cpu" or measured(params.train["imgsz"]).mixed  # elsewhere float32 is the default
    variants = [variant for variant in VARIANTS if mixed or variant != FLOAT32]
    wanted = [(variant, seed) for seed in range(options.seeds) for variant in variants]
    wanted = [(variant, seed) for variant, seed in wanted if (variant, seed) not in done]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(params.data, folder / "dataset")
        data = {"task": "detect", "data": str(folder / "dataset/data.yaml"), "nms": False}
        common = {**params.train, **data, "epochs": options.epochs, "device": device()}
        pool = ProcessPoolExecutor(options.jobs, get_context("spawn"), begin, max_tasks_per_child=1)
        with pool:
            teacher = {**common, "model": "yolo26s.yaml", "seed": 0}
            pool.submit(measure, OURS_PLAIN, folder / "teacher", teacher).result()
            taught = {"distill_model": str(folder / "teacher/best.pt"), "dis": options.dis}
            jobs = {}
            for variant, seed in wanted:
                overrides = {**common, "model": "yolo26n.yaml", "seed": seed}
                overrides |= taught if "distilled" in variant else {}
                overrides |= {"amp": False} if variant == FLOAT32 else {}
                job = pool.submit(measure, variant, folder / f"{variant}-{seed}", overrides)
                jobs[job] = {"variant": variant, "seed": seed}
            for job in track(as_completed(jobs), "trainings", total=len(jobs), console=console):
                with options.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(jobs[job] | job.result()) + "\n")
    report(pd.DataFrame(_read(options.results).values()), options)


def report(runs: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print what came out."""
    lines, differences = [], []
    trained = set(runs["variant"])
    for variant in (variant for variant in VARIANTS if variant in trained):
        heads = {HEAD_NAMES[head]: spread(summarise(_scores(runs, variant, head))) for head in HEAD_NAMES}
        lines.append({"mAP50-95 (%)": variant, **heads})
    for before, after in (pair for pair in COMPARED if trained.issuperset(pair)):
        for head, name in HEAD_NAMES.items():
            found = paired_gain(_scores(runs, before, head), _scores(runs, after, head))
            differences.append(
                {
                    "difference": f"{after} - {before}",
                    "head": name,
                    "points": gain(found),
                    "": found.verdict(SMALLEST),
                }
            )
    print(f"\nyolo26n <- yolo26s, {options.epochs} epochs, dis {options.dis}, {options.seeds} seeds\n")
    print(markdown(lines), markdown(differences), sep="\n\n")


def _read(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = (json.loads(line) for line in lines)
    return {(row["variant"], row["seed"]): row for row in rows}


def _scores(runs: pd.DataFrame, variant: str, head: str) -> dict[int, Measurement]:
    found = runs[runs["variant"] == variant]
    return {int(seed): Measurement(float(ap)) for seed, ap in zip(found["seed"], found[head], strict=True)}


if __name__ == "__main__":
    main()
