"""What a training step costs: Ultralytics alone and distilling, kdpipe alone and distilling.

    python benchmarks/step.py [--pairs yolo26n:yolo26s ...] [--imgsz N] [--batch N] [--float32]
                              [--compile] [--method NAME]

Each of the four lives in a process of its own, with all threads, and they take their turns: a few steps
each, round after round, so that whatever else the machine does hits all alike. A step is what Ultralytics'
trainer does with a batch: forward, loss, backward, clipping, optimizer, moving average. Weights are random,
images are embedded digits; neither changes the time. Medians over all steps.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from kdpipe.environment import describe_environment
from kdpipe.models.methods import METHODS
from kdpipe.params.schema import L2

PLAIN, DISTILLED = "ultralytics plain", "ultralytics distilled"
OURS_PLAIN, OURS_DISTILLED = "kdpipe plain", "kdpipe distilled"
VARIANTS = (PLAIN, DISTILLED, OURS_PLAIN, OURS_DISTILLED)
PARTS = ("data", "teacher", "forward", "backward", "optimizer")
STEPS = 4  # of each in a round
WARM_UP = 3
console = Console(stderr=True)


@dataclass(frozen=True)
class Variant:
    """Whose trainer it is, how it distils (`method` is None without a teacher), and its own arguments.

    `without` are functions that do nothing, such as `kdpipe.runner.trainers.keep_freed_memory`.
    """

    kdpipe: bool
    method: str | None
    arguments: Mapping[str, object] = field(default_factory=dict)
    without: tuple[str, ...] = ()


def four(method: str, **arguments: object) -> dict[str, Variant]:
    """Ultralytics and kdpipe, without and with a teacher; kdpipe by this method, with these arguments."""
    return {
        PLAIN: Variant(kdpipe=False, method=None),
        DISTILLED: Variant(kdpipe=False, method=L2),
        OURS_PLAIN: Variant(kdpipe=True, method=None, arguments=arguments),
        OURS_DISTILLED: Variant(kdpipe=True, method=method, arguments=arguments),
    }


@dataclass(frozen=True)
class Setting:
    """Where it is measured."""

    student: str
    teacher: str
    imgsz: int
    batch: int
    amp: bool
    device: str
    folder: Path


class Stepper:
    """A trainer that is set up, and trained step by step."""

    def __init__(self, variant: Variant, setting: Setting) -> None:
        """Set up Ultralytics' or kdpipe's trainer, with or without a teacher."""
        import torch
        from ultralytics.models.yolo.detect import DetectionTrainer

        from kdpipe.runner.trainers import TRAINERS
        from kdpipe.yolo import arguments
        from kdpipe.yolo.hermetic import configure, cpu_threads

        configure()
        torch.set_num_threads(cpu_threads())
        for name in variant.without:
            module, _, function = name.rpartition(".")
            setattr(import_module(module), function, lambda *_: None)
        self._torch = torch
        self._cuda = setting.device != "cpu"
        overrides: dict[str, Any] = {
            "task": "detect",
            "model": f"{setting.student}.yaml",
            "data": str(setting.folder / "dataset/data.yaml"),
            "imgsz": setting.imgsz,
            "batch": setting.batch,
            "nbs": setting.batch,
            "optimizer": "AdamW",
            "device": setting.device,
            "save_dir": tempfile.mkdtemp(dir=setting.folder),
            "exist_ok": True,
            "plots": False,
            "amp": setting.amp,
            **variant.arguments,
        }
        if variant.method:
            overrides |= {"distill_model": str(setting.folder / "teacher.pt"), "dis": 6.0}
        if variant.kdpipe:
            self._trainer = TRAINERS["detect"](overrides=arguments.resolved(overrides))
            if variant.method not in (None, L2):
                self._trainer.method = {"method": variant.method}
                self._trainer.teachers = [overrides["distill_model"]]
        else:
            self._trainer = DetectionTrainer(overrides=overrides)
        self._trainer._setup_train()  # noqa: SLF001
        self._trainer._model_train()  # noqa: SLF001
        self._batches = iter(self._trainer.train_loader)
        self._teacher_seconds = 0.0
        teacher = getattr(self._trainer.model, "teacher_model", None)
        if teacher is not None:
            exact = teacher.forward
            teacher.forward = lambda images: self._timed(exact, images)

    def step(self) -> dict[str, float]:
        """Do one step; returns the seconds of its parts, and of all but the data as `step`."""
        trainer, torch = self._trainer, self._torch
        self._teacher_seconds = 0.0
        times = [self._now()]
        batch = self._next()
        times.append(self._now())
        with torch.autocast(trainer.device.type, enabled=trainer.amp, dtype=self._dtype()):
            loss, _ = trainer.model(trainer.preprocess_batch(batch))
            total = loss.sum()
        times.append(self._now())
        trainer.scaler.scale(total).backward()
        times.append(self._now())
        trainer.optimizer_step()
        times.append(self._now())
        data, forward, backward, optimizer = (b - a for a, b in pairwise(times))
        parts = (data, self._teacher_seconds, forward - self._teacher_seconds, backward, optimizer)
        return {**dict(zip(PARTS, parts, strict=True)), "step": forward + backward + optimizer}

    def peak_memory_mib(self) -> float:
        """The most memory used so far: of the GPU, else of this process."""
        from kdpipe.yolo.device import peak_memory_mib

        return peak_memory_mib(self._trainer.device)

    def _dtype(self) -> Any:
        return self._torch.float16 if self._cuda else self._torch.bfloat16

    def _next(self) -> dict[str, Any]:
        try:
            return next(self._batches)
        except StopIteration:
            self._batches = iter(self._trainer.train_loader)
            return next(self._batches)

    def _timed(self, forward: Callable[[Any], Any], images: Any) -> Any:
        started = self._now()
        found = forward(images)
        self._teacher_seconds = self._now() - started
        return found

    def _now(self) -> float:
        if self._cuda:
            self._torch.cuda.synchronize()
        return time.perf_counter()


def serve(variant: Variant, setting: Setting, pipe: Any) -> None:
    """Step when asked to, in a process of its own."""
    stepper = Stepper(variant, setting)
    pipe.send("ready")
    while (count := pipe.recv()) is not None:
        pipe.send([stepper.step() for _ in range(count)])
    pipe.send(stepper.peak_memory_mib())


def measure(variants: dict[str, Variant], setting: Setting, rounds: int) -> pd.DataFrame:
    """Medians in milliseconds of each variant's parts, its ratio to the first one, and its memory."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, variant in variants.items():
        pipes[name], theirs = context.Pipe()
        process = context.Process(target=serve, args=(variant, setting, theirs), daemon=True)
        process.start()
        processes.append(process)
        assert pipes[name].recv() == "ready"
    found: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in variants}
    for number in track(range(rounds + 1), f"{setting.student} <- {setting.teacher}", console=console):
        for name, pipe in pipes.items():
            pipe.send(WARM_UP if number == 0 else STEPS)
            steps = pipe.recv()
            for step in steps if number else []:
                for part, seconds in step.items():
                    found[name][part].append(1000 * seconds)
    table = pd.DataFrame({name: {part: median(ms) for part, ms in found[name].items()} for name in found}).T
    table.insert(0, "ratio", table["step"] / table["step"].iloc[0])
    for name, pipe in pipes.items():
        pipe.send(None)
        table.loc[name, "memory"] = pipe.recv()
    for process in processes:
        process.join()
    return table


def prepare_data(folder: Path, imgsz: int, batch: int) -> None:
    """Digits at this size, a few batches of them."""
    from kdpipe.data.prepare import prepare
    from kdpipe.params.schema import Data, Digits

    count = 4 * batch
    prepare(
        Data(source="digits", digits=Digits(train=count, val=batch, test=batch, size=imgsz)),
        folder / "dataset",
    )


def save_teacher(name: str, path: Path) -> None:
    """A model of ten digits that has learned nothing."""
    from kdpipe.yolo.hermetic import configure

    configure()
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    model = YOLO(f"{name}.yaml")
    model.model = DetectionModel(f"{name}.yaml", nc=10, verbose=False)
    model.model.names = {digit: str(digit) for digit in range(10)}
    model.save(path)


def machine() -> str:
    """Processor or GPU, cores and versions, in one line."""
    from kdpipe.yolo.device import device_name
    from kdpipe.yolo.hermetic import cpu_threads

    found = describe_environment()
    versions = ", ".join(f"{name} {found[name]}" for name in ("torch", "ultralytics-opencv-headless"))
    gpu = device_name("auto")
    processor = f"{found['processor'] or platform.machine()}, {cpu_threads()} threads"
    return f"{processor if gpu == 'CPU' else gpu}; {versions}; Python {found['python']}"


def main() -> None:
    """Print a table per pair, and the ratios of the last one."""
    from kdpipe.yolo.arguments import device
    from kdpipe.yolo.precision import measured

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", nargs="+", default=["yolo26n:yolo26s"], help="student:teacher")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--float32", action="store_true", help="no mixed precision, as on older CPUs")
    parser.add_argument("--compile", action="store_true", help="kdpipe's two with train.compile")
    names = [method.name for method in METHODS.values() if not method.backbone]
    parser.add_argument("--method", choices=names, default=L2, help="kdpipe's distillation method")
    options = parser.parse_args()
    print(machine())
    arguments: dict[str, object] = {"compile": True} if options.compile else {}
    if device() == "cpu" and not options.float32:
        chosen = measured(options.imgsz)
        arguments["amp"] = "bf16" if chosen.mixed else False
        print(f"layers compute in {chosen}")
    for pair in options.pairs:
        student, teacher = pair.split(":")
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            prepare_data(folder, options.imgsz, options.batch)
            save_teacher(teacher, folder / "teacher.pt")
            setting = Setting(
                student,
                teacher,
                options.imgsz,
                options.batch,
                amp=not options.float32,
                device=device(),
                folder=folder,
            )
            table = measure(four(options.method, **arguments), setting, options.rounds)
        print(f"\n{student} <- {teacher}, {options.imgsz} px, batch {options.batch}; milliseconds, MiB\n")
        print(table.to_markdown(floatfmt=(".0f", ".2f", *[".0f"] * (len(PARTS) + 2))))
    ratios = table["ratio"]
    print(
        f"\nratio kdpipe-distilled/ultralytics-plain = {ratios[OURS_DISTILLED]:.2f}; "
        f"ultralytics-distilled/ultralytics-plain = {ratios[DISTILLED]:.2f}"
    )


if __name__ == "__main__":
    main()
