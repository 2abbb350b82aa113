"""Write the best student of a pair, exported, with what whoever gets it needs: for `kdpipe export`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from kdpipe.cells.cell import BEST_FILE, DATASET_DIR, Cell, all_cells
from kdpipe.cells.exported import Exported, read_export
from kdpipe.cells.record import METRICS_FILE, load_metrics, load_record
from kdpipe.checks.exports import calibration_problems, export_problems
from kdpipe.checks.outdated import outdated
from kdpipe.checks.preflight import preflight
from kdpipe.environment import processor
from kdpipe.errors import KdpipeError, counted, did_you_mean, raise_all
from kdpipe.models.formats import FORMATS, format_of
from kdpipe.models.to_export import is_quantized
from kdpipe.params.schema import Params
from kdpipe.report import exports
from kdpipe.report.formatting import HEAD_NAMES, gain_row, markdown
from kdpipe.report.question import question_of
from kdpipe.report.read import Content, load_content
from kdpipe.yolo.device import device_name
from kdpipe.yolo.export import log_file, runs_on
from kdpipe.yolo.exported import Difference, loaded, milliseconds, sample_images

CARD = Path(__file__).with_name("model_card.md.jinja")
CARD_FILE, EXAMPLE_FILE = "README.md", "example.py"
ROUNDED = 1e-6  # of a metric in the report
SHIPPED_DIR = Path("exports")
EXAMPLE = '''\
"""Print what the model finds in images: python example.py image.jpg ..."""

import sys
from pathlib import Path

from ultralytics import YOLO

model = YOLO(Path(__file__).with_name("{file}"), task="{task}")
for result in model(sys.argv[1:], imgsz={imgsz}{nms}):
    print(result.path, result.verbose())
'''


@dataclass(frozen=True)
class Choice:
    """The student to ship: that of the best seed, at the best `dis` of a pair; and what the report says."""

    params: Params
    content: Content
    pair: str
    gains: pd.DataFrame
    exported: Exported


def choose(pair: str, name: str, head: str | None) -> Choice:
    """Choose the student to ship, as the report does: by the primary metric on the primary head.

    Args:
        pair: Name of the pair.
        name: The format.
        head: `e2e` or `nms`; if None the primary head, or the one that the format can hold.

    Raises:
        KdpipeError: if there is no such pair, format or head, its packages are missing, or there is no
            report yet.
    """
    params = preflight().params
    if pair not in params.pairs:
        raise KdpipeError(f"no pair {pair!r} in params.yaml; {did_you_mean(pair, params.pairs)}")
    try:
        wanted_format = format_of(name)
    except ValueError as error:
        raise KdpipeError(f"--format {error}") from None
    problems = [
        *export_problems(replace(params.export, formats=[name])),
        *calibration_problems(params, [name]),
    ]
    raise_all(problems)
    content = load_content()
    if why := outdated():
        raise KdpipeError(why)
    gains = content.gains[(content.gains["pair"] == pair) & content.gains["best"]]
    if gains.empty:
        raise KdpipeError(f"the report does not have {pair} yet; run `dvc repro`")
    primary = str(gains[gains["primary"]]["head"].item())
    possible = [found for found in wanted_format.heads if found in set(gains["head"])]
    wanted = head or (primary if primary in possible else possible[0])
    if wanted not in possible:
        raise KdpipeError(f"{name} of {pair} has no {wanted} head; {did_you_mean(wanted, possible)}")
    cell = _best_cell(params, content, gains, primary)
    if is_quantized(cell) and not wanted_format.of_quantized:
        holds = ", ".join(sorted(name for name, one in FORMATS.items() if one.of_quantized))
        raise KdpipeError(
            f"{pair} is trained with quantize, which {name} does not hold; choose from: {holds}"
        )
    return Choice(params, content, pair, gains, Exported(cell, name, wanted))


def _best_cell(params: Params, content: Content, gains: pd.DataFrame, head: str) -> Cell:
    """Return the training of the best seed, which is still the one of the report.

    Args:
        params: All of params.yaml.
        content: The report.
        gains: Its rows of the pair at the best `dis`.
        head: The primary head.
    """
    rows, column = content.trainings, question_of(params.evaluate, {}).column
    wanted = {"kind": "distill", "pair": gains["pair"].iloc[0], "dis": gains["dis"].iloc[0], "head": head}
    for name, value in {**wanted, "split": content.choice_split}.items():
        rows = rows[rows[name] == value]
    best = rows.nlargest(1, column).iloc[0]
    cell = next(cell for cell in all_cells(params) if cell.id == best["cell"])
    if not (cell.train_dir / BEST_FILE).exists() or not (cell.eval_dir / METRICS_FILE).exists():
        raise KdpipeError(
            f"{cell.train_dir} or {cell.eval_dir} is not here; `dvc pull` or `dvc repro` brings it"
        )
    now = load_metrics(cell.eval_dir)[content.choice_split][head][column]
    if abs(now - best[column]) > ROUNDED:
        raise KdpipeError(f"{cell.id} is not the one of the report any more; run `dvc repro`")
    return cell


def folder_of(choice: Choice, out: Path | None) -> Path:
    """Where it is written to.

    Raises:
        KdpipeError: if there is something already.
    """
    one = choice.exported
    folder = out or SHIPPED_DIR / f"{choice.pair}-{one.format}-{one.head}"
    if folder.exists():
        raise KdpipeError(f"{folder} exists; remove it, or name another folder with --out")
    return folder


def write(choice: Choice, folder: Path) -> None:
    """Write the exported file, its model card, and an example that runs.

    Args:
        choice: The student, which is exported already.
        folder: The folder, as from `folder_of`; it is there as a whole or not at all.
    """
    one = choice.exported
    device = runs_on(format_of(one.format), choice.params.train.get("device"))
    export = read_export(one.folder)
    assert export is not None, "it was exported just now"
    source, imgsz = one.folder / export["file"], export["made_of"]["imgsz"]
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, part / source.name)
    example = EXAMPLE.format(
        file=source.name,
        task=choice.params.data.task,
        imgsz=imgsz,
        nms=", nms=False" if one.head == "e2e" else "",
    )
    (part / EXAMPLE_FILE).write_text(example, encoding="utf-8")
    run = loaded(source, device, log_file())
    times = milliseconds(run, sample_images(DATASET_DIR / "data.yaml", imgsz)[0])
    place = processor() if device == "cpu" else device_name(device)
    (part / CARD_FILE).write_text(_card(choice, export, times, place), encoding="utf-8")
    part.rename(folder)


def _card(choice: Choice, export: Mapping[str, Any], times: tuple[float, float, float], place: str) -> str:
    """Return the model card: quartiles of the time of an image at `place`, and what is known of the file."""
    one, content, made_of = choice.exported, choice.content, export["made_of"]
    identity = load_record(one.cell.train_dir).identity
    low, middle, high = times
    seeds = int(choice.gains["seeds"].max())
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)  # noqa: S701
    return environment.from_string(CARD.read_text(encoding="utf-8")).render(
        name=f"{identity.student}, distilled",
        model=identity.model,
        task=identity.task,
        imgsz=made_of["imgsz"],
        format=one.format,
        head=HEAD_NAMES[one.head],
        students=counted(seeds, "student"),
        seeds=counted(seeds, "seed"),
        seed=one.cell.seed,
        pair=choice.pair,
        taught=""
        if identity.dis is None
        else f", distilled from {identity.teacher} with `dis` {identity.dis}",
        answers=_answers(choice),
        label=content.label,
        metric=content.metric,
        images=content.images,
        split=content.split,
        choice_split=content.choice_split,
        table=_table(choice),
        milliseconds=f"{middle:.1f} ({low:.1f} to {high:.1f})",
        processor=place,
        file=export["file"],
        megabytes=f"{export['bytes'] / 1e6:.1f}",
        data=identity.data,
        data_digest=identity.data_digest,
        cell=one.cell.id,
        fingerprint=made_of["fingerprint"],
        difference=Difference(**export["difference"]),
        versions=", ".join(f"{package} {version}" for package, version in made_of["versions"].items()),
    )


def _answers(choice: Choice) -> list[str]:
    """What the report says of the pair, and of its gain in this format."""
    pair, name = choice.pair, choice.exported.format
    said = choice.content.answers
    return [line for line in said if f"({pair})" in line or f" {name} ({pair}, " in line]


def _table(choice: Choice) -> str:
    """The gains in this format if it was measured, beside those of the checkpoints."""
    rows = choice.content.numbers.get("exports", pd.DataFrame())
    if not rows.empty:
        rows = rows[
            rows["pair"].eq(choice.pair) & rows["format"].isin([exports.CHECKPOINT, choice.exported.format])
        ]
    if rows.empty:
        return markdown([gain_row(line) for line in choice.gains.to_dict("records")])
    return exports.table(rows, {})
