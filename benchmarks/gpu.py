"""Everything that is measured on a GPU, in one command that goes on where it stopped.

    python benchmarks/gpu.py [--out FOLDER] [--seconds N] [--source DATA] [--tiny]

Tests marked `gpu`; a training step of each recommended pair, by Ultralytics and by kdpipe, without and with a
teacher, and kdpipe's with channels-last weights and compiled; whole trainings, the four in turns; two
trainings on one GPU at once; the latency of both heads. Each part is written to FOLDER/gpu.json when it ends,
and no part begins that may not end within N seconds: called again, the command goes on with those that are
missing. FOLDER/gpu.md has the tables. `--tiny` tries all of it at small sizes, also on a CPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import latency, train
from benchmarks.step import (
    OURS_DISTILLED,
    VARIANTS,
    Setting,
    Variant,
    four,
    machine,
    measure,
    prepare_data,
    save_teacher,
)
from kdpipe.params.schema import L2
from kdpipe.yolo.arguments import device

PAIRS = {"yolo26n": "yolo26s", "yolo26s": "yolo26m", "yolo26m": "yolo26x", "yolo26l": "yolo26x"}
MORE = {
    f"{OURS_DISTILLED}, channels last": {"channels_last": True},
    f"{OURS_DISTILLED}, compiled": {"compile": True},
}
RESULTS, TABLE = "gpu.json", "gpu.md"
UNFINISHED = 75  # exit code: call again (EX_TEMPFAIL)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Size:
    """How much is measured; seconds are what a part takes at most on a GPU, for the decision to begin it."""

    imgsz: int
    batch: int
    rounds: int
    epochs: int
    seeds: int
    seconds: float


FULL = Size(imgsz=640, batch=16, rounds=8, epochs=3, seeds=2, seconds=240)
TINY = Size(imgsz=64, batch=2, rounds=1, epochs=1, seeds=1, seconds=0)


@dataclass(frozen=True)
class Part:
    """A measurement: its heading, and what returns the rows of its table."""

    title: str
    rows: Callable[[], Rows]


def tests() -> Rows:
    """Run the tests that need a GPU; raises if one fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/runner/test_gpu.py"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    print(answer.stdout[-2000:])
    if answer.returncode:
        raise RuntimeError("a test failed")
    return [{"tests": answer.stdout.strip().splitlines()[-1]}]


def steps(student: str, size: Size, more: Mapping[str, Mapping[str, object]]) -> Rows:
    """A training step of a pair, by variant; milliseconds and MiB, and the ratio to Ultralytics alone.

    Args:
        student: The student; its teacher is the recommended one.
        size: How much is measured.
        more: Arguments of further variants that distil, by name.
    """
    variants = four(L2) | {name: Variant(kdpipe=True, method=L2, arguments=own) for name, own in more.items()}
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare_data(folder, size.imgsz, size.batch)
        save_teacher(PAIRS[student], folder / "teacher.pt")
        setting = Setting(student, PAIRS[student], size.imgsz, size.batch, True, device(), folder)
        table = measure(variants, setting, size.rounds)
    return _rows(table.rename_axis("").reset_index())


def trainings(size: Size, source: str) -> Rows:
    """Whole trainings, the four in turns; medians of seconds and MiB, and the ratio to Ultralytics alone."""
    found: Rows = []
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        common = train.prepared(train.Plan("yolo26n", "yolo26s", size.imgsz, size.epochs, source), folder)
        for seed in range(size.seeds):
            for variant in VARIANTS:
                measured = train.one(variant, folder, {**common, "seed": seed}, f"{variant}-{seed}")
                found.append({"": variant, **measured})
    table = pd.DataFrame(found).groupby("", sort=False).median()
    table.insert(0, "ratio", table["seconds"] / table["seconds"].iloc[0])
    return _rows(table.reset_index())


def at_once(size: Size, source: str) -> Rows:
    """Two distilled trainings at once, and one alone: what a second one on the same device costs."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        common = train.prepared(train.Plan("yolo26n", "yolo26s", size.imgsz, size.epochs, source), folder)
        alone = train.one(OURS_DISTILLED, folder, common, "alone")["seconds"]
        started = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(partial(train.one, OURS_DISTILLED, folder, common), ("first", "second")))
        both = time.perf_counter() - started
    return [{"one (s)": alone, "two at once (s)": both, "of two in turn": both / (2 * alone)}]


def latencies(size: Size) -> Rows:
    """One image at a time with both heads; milliseconds."""
    return _rows(latency.measure(["yolo26n", "yolo26s"], size.imgsz, 30, device()))


def parts(size: Size, source: str) -> dict[str, Part]:
    """All measurements, by the name under which their results are kept."""
    where = f"{size.imgsz} px, batch {size.batch}"
    found = {"tests": Part("Tests marked `gpu`", tests)}
    for student, teacher in PAIRS.items():
        more = MORE if student == "yolo26n" else {}
        title = f"A step, {student} <- {teacher}, {where}; ms, MiB"
        found[f"step {student}"] = Part(title, partial(steps, student, size, more))
    whole = f"yolo26n <- yolo26s, {source}, {size.imgsz} px, {size.epochs} epochs"
    found["training"] = Part(f"Whole trainings, {whole}; s, MiB", partial(trainings, size, source))
    found["at once"] = Part(f"Two trainings on one device, {whole}", partial(at_once, size, source))
    found["latency"] = Part(f"One image of {size.imgsz} px at a time; ms", partial(latencies, size))
    return found


def write_table(wanted: Mapping[str, Part], results: Mapping[str, Any], out: Path) -> None:
    """Write the tables of the parts that were measured."""
    text = [results["machine"]]
    for name, part in wanted.items():
        if name in results["parts"]:
            table = pd.DataFrame(results["parts"][name]["rows"]).to_markdown(index=False, floatfmt=".2f")
            text += [f"**{part.title}**", table]
    (out / TABLE).write_text("\n\n".join(text) + "\n", encoding="utf-8")


def main() -> int:
    """Measure what is missing; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results")
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--source", default="digits", help="data of the whole trainings, such as coco128")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    size = TINY if options.tiny else FULL
    began, path = time.monotonic(), options.out / RESULTS
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = parts(size, options.source)
    results: dict[str, Any] = {"machine": machine(), "titles": [part.title for part in wanted.values()]}
    results["parts"] = _known(path, results)
    missing = [name for name in wanted if name not in results["parts"]]
    for name in missing:
        started = time.monotonic()
        if started - began + size.seconds > options.seconds:
            print(f"{name}: no time left for it; call again with the same --out")
            break
        print(name, flush=True)
        rows = wanted[name].rows()
        results["parts"][name] = {"seconds": round(time.monotonic() - started, 1), "rows": rows}
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        write_table(wanted, results, options.out)
    if (options.out / TABLE).exists():
        print((options.out / TABLE).read_text(encoding="utf-8"))
    return UNFINISHED if wanted.keys() - results["parts"].keys() else 0


def _known(path: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that are measured already, unless they are of another machine, size or data."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    if any(found[name] != results[name] for name in ("machine", "titles")):
        sys.exit(f"{path} is of another machine, size or data: {found['machine']}; choose another --out")
    known: dict[str, Any] = found["parts"]
    return known


def _rows(table: pd.DataFrame) -> Rows:
    found: Rows = json.loads(table.to_json(orient="records"))
    return found


if __name__ == "__main__":
    sys.exit(main())
