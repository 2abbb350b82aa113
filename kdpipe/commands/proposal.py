"""Propose a comparison that fits data, machine and a budget of time, with the reasons in its comments."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from kdpipe.cells.cell import all_cells
from kdpipe.checks.downloads import SITE, unreachable
from kdpipe.commands.estimate import estimated_seconds
from kdpipe.data.examine import check_splits
from kdpipe.data.images import shown_size
from kdpipe.data.importing.sizes import UNREADABLE
from kdpipe.data.prepare import open_source
from kdpipe.data.source import Source
from kdpipe.errors import about, counted
from kdpipe.models.methods import METHODS
from kdpipe.models.names import ModelName
from kdpipe.params.load import load
from kdpipe.params.schema import PARAMS_FILE, Data
from kdpipe.params.yaml_text import is_text
from kdpipe.paths import weights_dir

TEMPLATE = Path(__file__).with_name("proposal.yaml.jinja")
METHOD = "predictions"
PLAIN = re.compile(r"[A-Za-z./][A-Za-z0-9_./-]*")  # a path that needs no quotes
STRIDE = 32  # pixels
SMALLEST = 64  # pixels that can be trained on whatever the last batch has
SAMPLE = 50  # images whose size is looked at
TOO_LITTLE = 1.5  # a timed step counts no augmentation, loss and saving
SEEDS = (5, 3)


@dataclass(frozen=True)
class Machine:
    """What a machine can train: a batch, and image sizes in pixels with numbers of epochs, best first."""

    name: str
    batch: int
    settings: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Proposal:
    """A comparison; `released` says whether Ultralytics' start weights are to be had."""

    source: str
    task: str
    imgsz: int
    batch: int
    epochs: int
    seeds: list[int]
    released: bool

    def text(self, reasons: list[str]) -> str:
        """Return a params.yaml, with the reasons in its first comment."""
        student = ModelName("yolo26", "n", self.task)
        values = asdict(self) | {
            "source": _scalar(self.source),
            "experiment": _scalar(Path.cwd().name),
            "student": student,
            "teacher": student.recommended_teacher,
            "method": METHOD,
            "dis": METHODS[METHOD].dis,
            "reasons": reasons,
        }
        environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - it is no HTML
        return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(values)


def propose(data: Data, budget: float) -> list[str]:
    """Write the best comparison that fits the budget to params.yaml, or else the smallest.

    Args:
        data: The data, which the project in the working directory can read.
        budget: Time for all trainings, in seconds.

    Returns:
        The reasons, a sentence each.

    Raises:
        KdpipeError: if the data cannot be read.
    """
    source = open_source(data)
    check_splits(source)
    machine, released = _machine(), _has_released(data.task)
    side = _side(source)
    for (imgsz, epochs), seeds in product(machine.settings, SEEDS):
        size = min(imgsz, side)
        found = Proposal(
            data.source, data.task, size, machine.batch, epochs, list(range(seeds)), released=released
        )
        seconds = _seconds(found)
        if seconds is None or seconds <= budget:
            break
    reasons = [
        _of_data(source),
        f"{machine.name}: {size} px, batch {machine.batch}.",
        _of_time(seconds, budget),
        *([] if released else [f"No weights to start from: {SITE} does not answer, so all starts new."]),
    ]
    Path(PARAMS_FILE).write_text(found.text(reasons), encoding="utf-8")
    return reasons


def _scalar(text: str) -> str:
    """A text as YAML reads it, whatever it holds: JSON is YAML too."""
    return text if PLAIN.fullmatch(text) and is_text(text) else json.dumps(text, ensure_ascii=False)


def _machine() -> Machine:
    from kdpipe.yolo.device import gpus

    if found := gpus():
        return Machine(", ".join(found), 16, ((640, 100), (640, 50), (640, 30), (480, 30)))
    settings = ((320, 50), (320, 30), (320, 20), (224, 20), (160, 20), (96, 20))
    return Machine(f"No GPU, {counted(os.cpu_count() or 1, 'core')}", 8, settings)


def _side(source: Source) -> int:
    """The longest side of the first images, in whole strides."""
    longest = SMALLEST
    for example in source.splits["train"][:SAMPLE]:
        with suppress(*UNREADABLE):  # broken, or not to be read here: stage prepare says so
            longest = max(longest, *shown_size(Path(example.where)))
    return -(-longest // STRIDE) * STRIDE


def _has_released(task: str) -> bool:
    """Whether Ultralytics' weights are here, or can be downloaded."""
    names = [ModelName("yolo26", size, task) for size in ("n", "s")]
    return all((weights_dir() / f"{name}.pt").is_file() for name in names) or not unreachable(SITE)


def _seconds(found: Proposal) -> float | None:
    """The seconds of all trainings on this machine, one after another; None if they are not known."""
    Path(PARAMS_FILE).write_text(found.text([]), encoding="utf-8")
    params = load()
    each = [estimated_seconds(params, cell) for cell in all_cells(params)]
    known = [seconds for seconds in each if seconds is not None]
    return TOO_LITTLE * sum(known) if len(known) == len(each) else None


def _of_data(source: Source) -> str:
    counts = ", ".join(f"{split} {len(images)}" for split, images in source.splits.items())
    return f"Images: {counts}; {counted(len(source.names), 'class', 'classes')}."


def _of_time(seconds: float | None, budget: float) -> str:
    if seconds is None:
        return "How long it takes is not known."
    if seconds > budget:
        return f"Even the smallest comparison takes {about(seconds)} here, more than {about(budget)}."
    return f"Epochs and seeds are what fits {about(budget)}: by a timed step it takes {about(seconds)}."
