"""Finished trainings that wait for DVC."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kdpipe.cells.cell import baseline_cell
from kdpipe.cells.committed import is_committed
from kdpipe.cells.finished import hand_over, keep, kept, remove_committed, superseded
from kdpipe.cells.record import Record, load_record, save_identity
from kdpipe.cells.work import FINISHED, alone_with, work_dir
from kdpipe.console import console
from kdpipe.params.load import load
from kdpipe.paths import digest_of
from tests.reported import record_of

CELL = baseline_cell("yolo26n", 0)
BEFORE_THIS_PROCESS = 1_000_000_000
STAGE = f"""stages:
  train:
    cmd: mkdir -p {CELL.train_dir} && cp .kdpipe/work/*/finished/* {CELL.train_dir}
    deps: [given]
    outs: [{CELL.train_dir}]
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stage that hands over what is kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    Path("dvc.yaml").write_text(STAGE)
    Path("given").write_text("")


def finish(fingerprint: str = "a" * 32) -> Path:
    work = work_dir(fingerprint)
    work.mkdir(parents=True)
    (work / "state.pt").write_text("large")
    (work / "weights").mkdir()
    (work / "best.pt").write_text("weights")
    (work / "history.csv").write_text("epoch\n")
    record = _record(work, fingerprint)
    save_identity(record.identity, work)
    keep(work, [work / "history.csv", work / "absent.csv"], work / "best.pt", record)
    return work


def _record(work: Path, fingerprint: str) -> Record:
    return replace(record_of(CELL), fingerprint=fingerprint, weights_digest=digest_of(work / "best.pt"))


def age(work: Path) -> None:
    """Let it have been kept before this process began."""
    os.utime(work / FINISHED / "record.json", (BEFORE_THIS_PROCESS, BEFORE_THIS_PROCESS))


def repro() -> None:
    for command in ("git init -q", "dvc init -q", "dvc repro -q"):
        subprocess.run(command.split(), check=True)


def test_a_finished_training_is_kept_whole_and_handed_over() -> None:
    work = finish()
    assert {path.name for path in work.iterdir()} == {"finished", "identity.json"}
    record = kept(work)
    assert record is not None
    assert record.fingerprint == "a" * 32
    CELL.train_dir.mkdir(parents=True)
    (CELL.train_dir / "of an earlier training").touch()
    hand_over(work, CELL.train_dir)
    assert {path.name for path in CELL.train_dir.iterdir()} == {"best.pt", "history.csv", "record.json"}
    assert load_record(CELL.train_dir) == record


def test_a_damaged_one_is_done_again() -> None:
    work = finish()
    (work / FINISHED / "best.pt").write_text("weig")
    with console.capture() as captured:
        assert kept(work) is None
    assert "is damaged; it is done again" in " ".join(captured.get().split())
    assert not work.exists()
    assert kept(work) is None


def test_it_is_kept_until_dvc_can_give_it_back() -> None:
    """dvc.lock alone is not enough: DVC writes it even if the cache is full."""
    work = finish()
    assert not is_committed(work / FINISHED)
    repro()
    assert is_committed(work / FINISHED)
    lock, runs = Path("dvc.lock"), Path(".dvc/cache/runs")
    lock.rename("away")
    assert is_committed(work / FINISHED)  # the run cache has it
    runs.rename("runs away")
    assert not is_committed(work / FINISHED)
    Path("away").rename(lock)
    assert is_committed(work / FINISHED)
    of_cache = next(
        path for path in Path(".dvc/cache/files").rglob("*") if path.is_file() and path.suffix != ".dir"
    )
    of_cache.unlink()
    assert not is_committed(work / FINISHED)
    assert remove_committed() == 0
    age(work)
    assert kept(work) is not None


def test_what_dvc_has_is_removed_and_a_forced_run_trains_again() -> None:
    work = finish()
    repro()
    with alone_with(work.name):
        assert remove_committed() == 0  # another process wants it
        assert kept(work) is not None  # it ended while this process waited
    age(work)
    assert kept(work) is None
    assert not work.exists()
    work = finish()
    for path in (work / FINISHED).iterdir():
        shutil.copyfile(CELL.train_dir / path.name, path)
    assert remove_committed() == 1
    assert not work.exists()


def test_a_kill_while_it_is_removed_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    work = finish()
    repro()
    with monkeypatch.context() as patch:
        patch.setattr("kdpipe.cells.finished.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_committed()
    assert not work.exists()
    remove_committed()
    assert not list(Path(".kdpipe/removed").glob("*"))


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_cache_elsewhere_is_found(tmp_path: Path) -> None:
    work = finish()
    for command in ("git init -q", "dvc init -q", "dvc cache dir ../shelf -q", "dvc repro -q"):
        subprocess.run(command.split(), check=True)
    assert (tmp_path.parent / "shelf").exists()
    try:
        assert is_committed(work / FINISHED)
    finally:
        shutil.rmtree(tmp_path.parent / "shelf")


def test_what_nothing_will_ask_for_is_offered_for_removal(write_params: Callable[..., Path]) -> None:
    work, params = finish(), load(write_params())
    assert superseded(params) == []  # not trained again yet
    hand_over(work, CELL.train_dir)
    assert superseded(params) == [work]  # of other settings than the one there
    shutil.rmtree(CELL.train_dir)
    assert superseded(load(write_params(sweep__seeds=[1]))) == [work]


def test_a_copy_that_was_cut_short_is_not_taken() -> None:
    work = finish()
    (work / FINISHED).rename(work / "finished.part")
    assert kept(work) is None
    assert (work / "finished.part").exists()
