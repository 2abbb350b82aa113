"""Records and metrics that are empty or cut short, and a disk that is full while they are written."""

from __future__ import annotations

import errno
import io
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo
from rich.console import Console

from kdpipe.cells.cell import DATASET_DIR, PAIRS_DIR, baseline_cell, distill_cell, teacher_cell
from kdpipe.cells.record import load_metrics, load_record, save_metrics
from kdpipe.checks.preflight import preflight
from kdpipe.commands.plan import _mean_seconds, tell
from kdpipe.data.manifest import load_manifest
from kdpipe.errors import KdpipeError
from kdpipe.evaluation import load_predictions, load_resamples, save_predictions, save_resamples
from kdpipe.models.start_weights import source_of
from kdpipe.params.load import load
from kdpipe.report.read import load_content
from kdpipe.stages.train import identify
from tests.project import REPOSITORY
from tests.reported import finish, record_of

Write = Callable[..., Path]
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


def of_the_data(folder: Path) -> object:
    return load_manifest(folder)


def of_the_report(folder: Path) -> object:
    return load_content(folder)


def of_the_pair(_: Path) -> object:
    params, cell = load(), distill_cell("n-s", 1.0, 0)
    return identify(params, cell, source_of(params, cell), None)


@pytest.mark.parametrize("content", ["", '{"names": ["ca', '"', "{"])
@pytest.mark.parametrize(
    ("read", "name", "stage"),
    [
        (of_the_data, DATASET_DIR / "manifest.json", "prepare"),
        (of_the_report, Path("reports/benchmark.json"), "report"),
        (of_the_pair, PAIRS_DIR / "n-s/pair.json", "pick_teacher@n-s"),
    ],
)
def test_what_a_stage_has_left_half_is_named_with_the_stage(
    write_params: Write, content: str, read: Callable[[Path], object], name: Path, stage: str
) -> None:
    write_params()
    name.parent.mkdir(parents=True)
    name.write_text(content)
    with pytest.raises(KdpipeError) as caught:
        read(name.parent)
    assert str(caught.value).startswith(f"{name} {'is cut short or damaged (' if content else 'is empty; '}")
    assert str(caught.value).endswith(f"`dvc repro --force --single-item {stage}` makes it again")


@pytest.mark.parametrize("size", [0, 50])
@pytest.mark.parametrize("read", [load_predictions, load_resamples])
def test_half_a_table_is_named(tmp_path: Path, read: Callable[[Path], object], size: int) -> None:
    path = tmp_path / "table"
    if read is load_predictions:
        save_predictions([], "detect", path)
    else:
        save_resamples({"val/e2e": np.ones(200)}, path := path.with_suffix(".npy"))
    read(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(KdpipeError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path} {'is cut short or damaged (' if size else 'is empty; '}")
    assert str(caught.value).endswith("`dvc repro` restores it from DVC's cache, or makes it again")


def test_half_a_manifest_is_told_once_and_does_not_stop_the_stage_that_makes_it(
    write_params: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params()
    path = DATASET_DIR / "manifest.json"
    path.parent.mkdir(parents=True)
    for content in (*CUT, "[]"):
        path.write_text(content)
        with pytest.raises(KdpipeError) as caught:
            preflight()
        assert str(caught.value).startswith(f"{path} is ")
        assert "problems" not in str(caught.value)
    monkeypatch.setenv("DVC_STAGE", "prepare")
    preflight()


def test_check_names_a_cut_record_and_goes_on(write_params: Write) -> None:
    for cell in (CELL, teacher_cell("yolo26s")):
        finish(cell, 0.4)
    folder, path = write_params().parent, CELL.train_dir / "record.json"
    path.write_text("")
    shutil.copy(REPOSITORY / "dvc.yaml", folder)
    Repo.init(no_scm=True).close()
    said = Console(file=io.StringIO(), soft_wrap=True)
    tell(preflight(), said)
    assert f"warning: {path} is empty; `dvc repro` restores it" in said.file.getvalue()
    assert _mean_seconds([Path("models"), Path("runs")]) == {"teacher": 10.0}
