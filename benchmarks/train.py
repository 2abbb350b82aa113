"""What whole trainings cost: Ultralytics alone and distilling, kdpipe alone and distilling.

    python benchmarks/train.py [--student NAME] [--teacher NAME] [--imgsz N] [--epochs N] [--seeds N]

With the data of the preset digits-start (digits drawn as large as the images) and its arguments, from
scratch, each training in a process of its own, one after another, the four in turns for every seed. The
teacher is trained first. Times are of the whole process: imports, set-up, loading, validation and checkpoints
included. What they reach is benchmarks/quality.py's matter.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.step import DISTILLED, OURS_DISTILLED, OURS_PLAIN, PLAIN, VARIANTS, machine
from kdpipe.report.formatting import markdown

if TYPE_CHECKING:
    from kdpipe.params.schema import Params
    from kdpipe.runner.train import TrainingResult

DIS = 6.0
console = Console(stderr=True)


def ultralytics(folder: Path, overrides: dict[str, Any]) -> None:
    """Train as Ultralytics does, with all threads."""
    import torch
    from ultralytics.models.yolo.detect import DetectionTrainer

    from kdpipe.yolo.hermetic import configure, cpu_threads

    configure()
    torch.set_num_threads(cpu_threads())
    DetectionTrainer(overrides={**overrides, "save_dir": str(folder), "plots": False}).train()


def kdpipe(folder: Path, overrides: dict[str, Any]) -> TrainingResult:
    """Train as a stage of the pipeline does."""
    from kdpipe.cells.record import Identity
    from kdpipe.runner.job import Job, Silent
    from kdpipe.runner.train import train

    given = dict(overrides)
    teacher = given.pop("distill_model", None)
    start, data = given.pop("model"), Path(given.pop("data"))
    identity = Identity(
        cell="",
        kind="distill" if teacher else "baseline",
        task="detect",
        seed=given.pop("seed"),
        model=start,
        init="scratch",
        init_digest=None,
        data="digits",
        data_digest="",
        dis=given.pop("dis", None),
        arguments=given,
    )
    job = Job(identity, start, data, [Path(teacher)] if teacher else [])
    return train(job, folder, Silent(), Console(quiet=True))


def run(variant: str, folder: Path, overrides: dict[str, Any]) -> dict[str, float]:
    """Train in a fresh process: its seconds and peak memory."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    started = time.perf_counter()
    process = context.Process(target=_child, args=(variant, folder, overrides, send))
    process.start()
    memory = receive.recv()
    process.join()
    return {"seconds": time.perf_counter() - started, "memory": memory}


def end_with_parent() -> None:
    """Have this process end when the one that started it is gone, killed or not."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def _child(variant: str, folder: Path, overrides: dict[str, Any], answer: Any) -> None:
    import torch

    from kdpipe.yolo.device import peak_memory_mib

    end_with_parent()
    folder.mkdir(parents=True)
    with (folder / "output.log").open("w", encoding="utf-8") as log:
        sys.stdout = sys.stderr = log
        (kdpipe if variant.startswith("kdpipe") else ultralytics)(folder, overrides)
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    answer.send(peak_memory_mib(torch.device("cuda" if torch.cuda.is_available() else "cpu")))


@dataclass(frozen=True)
class Plan:
    """What is trained: on digits drawn as large as the images, or on `source`, another data set."""

    student: str
    teacher: str
    imgsz: int
    epochs: int
    source: str = "digits"


def prepared(plan: Plan, folder: Path) -> dict[str, Any]:
    """Write the data, train the teacher, and return the arguments of a training without a teacher."""
    from kdpipe.data.prepare import prepare
    from kdpipe.yolo.arguments import device

    params = preset()
    digits = replace(params.data.digits, size=plan.imgsz)
    prepare(replace(params.data, source=plan.source, digits=digits), folder / "dataset")
    common = {
        **params.train,
        "imgsz": plan.imgsz,
        "task": "detect",
        "data": str(folder / "dataset/data.yaml"),
        "epochs": plan.epochs,
        "device": device(),
        "nms": False,
        "seed": 0,
    }
    run(OURS_PLAIN, folder / "teacher", {**common, "model": f"{plan.teacher}.yaml"})
    return {**common, "model": f"{plan.student}.yaml"}


def one(variant: str, folder: Path, common: dict[str, Any], name: str) -> dict[str, float]:
    """Train a variant on what was prepared in a folder; its seconds and peak memory.

    Args:
        variant: One of VARIANTS.
        folder: Where data and teacher are.
        common: Arguments of all trainings.
        name: Name of its own folder in there.
    """
    taught = {"distill_model": str(folder / "teacher/best.pt"), "dis": DIS}
    return run(variant, folder / name, common | (taught if "distilled" in variant else {}))


def preset() -> Params:
    """The preset whose data and arguments are used."""
    from kdpipe.params.load import load

    return load(Path(__file__).parents[1] / "pipelines/presets/digits-start.yaml")


def main() -> None:
    """Print the table and the ratios."""
    params = preset()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--student", default="yolo26n")
    parser.add_argument("--teacher", default="yolo26s")
    parser.add_argument("--imgsz", type=int, default=params.train["imgsz"])
    parser.add_argument("--epochs", type=int, default=params.train["epochs"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    rows = []
    plan = Plan(options.student, options.teacher, options.imgsz, options.epochs)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        common = prepared(plan, folder)
        for seed in track(range(options.seeds), "seeds", console=console):
            for variant in VARIANTS:
                measured = one(variant, folder, {**common, "seed": seed}, f"{variant}-{seed}")
                rows.append({"variant": variant, "seed": seed, **measured})
    report(pd.DataFrame(rows), options)


def report(runs: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print what came out."""
    medians = {v: runs[runs["variant"] == v][["seconds", "memory"]].median() for v in VARIANTS}
    base = medians[PLAIN]["seconds"]
    lines = [
        {
            "": variant,
            "ratio": f"{found['seconds'] / base:.2f}",
            "seconds": f"{found['seconds']:.1f}",
            "memory (MiB)": f"{found['memory']:.0f}",
        }
        for variant, found in medians.items()
    ]
    setting = f"{options.imgsz} px, {options.epochs} epochs, {options.seeds} seeds"
    print(f"\n{options.student} <- {options.teacher}, {setting}\n")
    print(markdown(lines))
    ratios = {v: medians[v]["seconds"] / base for v in VARIANTS}
    print(
        f"\nratio kdpipe-distilled/ultralytics-plain = {ratios[OURS_DISTILLED]:.2f}; "
        f"ultralytics-distilled/ultralytics-plain = {ratios[DISTILLED]:.2f}"
    )


if __name__ == "__main__":
    main()
