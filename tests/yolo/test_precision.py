"""bfloat16 on a CPU where it is measured to be faster, and one type for all trainings of a project."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.made_up import record_of
from kdpipe.cells.cell import baseline_cell
from kdpipe.cells.record import Record
from kdpipe.environment import training_versions
from kdpipe.yolo import precision as module
from kdpipe.yolo.precision import BFLOAT16, FLOAT32, Precision, measured, precision
from tests.project import REPOSITORY

FOUND = Precision(BFLOAT16, "as if measured")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "measured", lambda _: FOUND)
    return tmp_path


def finished(**changes: object) -> Record:
    found = record_of(baseline_cell("s0", 0), "s0", "t", 1)
    identity = replace(found.identity, versions=training_versions())
    return replace(found, identity=identity, arguments={"amp": False, "imgsz": 96}, **changes)


def save(record: Record) -> None:
    folder = Path("runs/baseline/s0/0/train")
    folder.mkdir(parents=True)
    record.save(folder)


WITHOUT = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
"""oneDNN without the instructions for bfloat16, while the processor's flags still name them."""


BUSY = """
import subprocess, sys
from kdpipe.yolo.precision import measured
others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range({others})]
print(measured({imgsz}))
for other in others:
    other.kill()
"""


def measured_here(imgsz: int, others: int = 0, **environment: str) -> str:
    """What is chosen in a process of its own, with others that compute beside it."""
    answer = subprocess.run(
        [sys.executable, "-c", BUSY.format(imgsz=imgsz, others=others)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the limit is one of oneDNN for x86")
def test_a_processor_that_is_slower_with_it_computes_in_float32() -> None:
    assert measured_here(320, **WITHOUT).startswith(f"{FLOAT32}: convolutions in bfloat16 take ")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the limit is one of oneDNN for x86")
def test_other_work_on_the_machine_does_not_change_the_choice() -> None:
    """Threads that wait for each other took as long in both types, so bfloat16 seemed to be no slower."""
    cores = os.cpu_count() or 1
    answer = measured_here(96, 2 * cores, OMP_NUM_THREADS=str(max(2, cores)), **WITHOUT)
    assert answer.startswith(f"{FLOAT32}: ")
    assert float(answer.split(" take ")[1].split()[0]) > 2, "without other work it takes four times as long"


@pytest.mark.parametrize(("ratio", "name"), [(0.5, BFLOAT16), (0.95, FLOAT32), (1.9, FLOAT32)])
def test_a_little_faster_is_not_enough(monkeypatch: pytest.MonkeyPatch, ratio: float, name: str) -> None:
    monkeypatch.setattr(module, "ratio", lambda _: ratio)
    assert measured(96).name == name
    assert f"take {ratio:.2f} of the time" in measured(96).why


@pytest.mark.usefixtures("place")
def test_the_first_choice_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision(96) == FOUND
    monkeypatch.setattr(module, "measured", lambda _: Precision(FLOAT32, "another machine"))
    assert precision(96) == FOUND
    monkeypatch.setattr(module, "training_versions", lambda: {"torch": "99"})
    assert precision(96).name == FLOAT32, "other versions are another comparison"


@pytest.mark.usefixtures("place")
def test_it_goes_on_with_the_type_of_finished_trainings() -> None:
    save(finished())
    assert precision(96) == Precision(FLOAT32, "as baseline/s0/0")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("unlike", ["gpu", "versions", "asked for"])
def test_trainings_that_chose_nothing_decide_nothing(unlike: str) -> None:
    record = finished()
    changed = {
        "gpu": replace(record, environment={**record.environment, "device": "NVIDIA H200"}),
        "versions": replace(record, identity=replace(record.identity, versions={"torch": "1.0"})),
        "asked for": replace(record, identity=replace(record.identity, arguments={"amp": False})),
    }
    save(changed[unlike])
    assert precision(96) == FOUND


def test_a_file_that_was_cut_short_is_written_again(place: Path) -> None:
    precision(96)
    file = place / ".kdpipe/precision.json"
    file.write_text(file.read_text()[:20])
    assert precision(96) == FOUND
    assert precision(96) == FOUND
