"""Records and metrics that are empty or cut short, and a disk that is full while they are written."""

from __future__ import annotations

import errno
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdpipe.cells.cell import baseline_cell, teacher_cell
from kdpipe.cells.record import load_metrics, load_record, save_metrics
from kdpipe.commands.plan import _mean_seconds
from kdpipe.errors import KdpipeError
from tests.project import fresh_clone
from tests.reported import finish, record_of

CELL = baseline_cell("yolo26n", 0)
CUT = ["", '{"identity": {"cell": "b', "{}", "null", '{"identity": {}}']


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may be larger than this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    record, metrics = record_of(CELL), {"val": {"e2e": {"mAP50-95": 0.4, "mAP50": 0.5}}}
    record.save(tmp_path)
    save_metrics(tmp_path, metrics)
    for write in (record.save, lambda folder: save_metrics(folder, metrics)):
        with full_disk(20), pytest.raises(OSError, match="File too large") as caught:
            write(tmp_path)
        assert caught.value.errno == errno.EFBIG
    assert load_record(tmp_path) == record
    assert load_metrics(tmp_path) == metrics


def test_a_full_disk_leaves_no_half_record(tmp_path: Path) -> None:
    with full_disk(20), pytest.raises(OSError, match="File too large"):
        record_of(CELL).save(tmp_path)
    assert not (tmp_path / "record.json").exists()


@pytest.mark.parametrize("content", CUT)
def test_a_cut_record_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(KdpipeError) as caught:
        load_record(tmp_path)
    assert str(caught.value).startswith(f"{path} {'is cut short or damaged (' if content else 'is empty; '}")
    assert str(caught.value).endswith("`dvc repro` restores it from DVC's cache, or makes it again")


def test_check_names_a_cut_record_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = fresh_clone(tmp_path)
    monkeypatch.chdir(tmp_path)
    for cell in (CELL, teacher_cell("yolo26s")):
        finish(cell, 0.4)
    project.run("git", "checkout", "params.yaml")
    path = CELL.train_dir / "record.json"
    path.write_text("")
    answer = project.run("kdpipe", "check", check=False)
    assert answer.returncode == 0, answer.stderr
    assert f"warning: {path} is empty; `dvc repro` restores it" in answer.stdout
    assert _mean_seconds([Path("models"), Path("runs")]) == {"teacher": 10.0}
    answer = project.run("kdpipe", "sync", check=False)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: {path} is empty; ")
    assert "MLflow" not in answer.stderr
