"""Released weights and data sets that are not on this machine yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kdpipe.cells.cell import RUNS_DIR, all_cells
from kdpipe.cells.record import RECORD_FILE
from kdpipe.checks.downloads import missing, unavailable, unreachable, warnings
from kdpipe.checks.preflight import preflight
from kdpipe.errors import KdpipeError
from kdpipe.params.load import load
from kdpipe.stages.prepare import prepare_data

Write = Callable[..., Path]


class Site(BaseHTTPRequestHandler):
    """Answers to everything but /absent."""

    def do_HEAD(self) -> None:
        self.send_response(404 if self.path == "/absent" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_whether_a_site_answers(site: str) -> None:
    assert unreachable(site) == ""
    assert "404" in unreachable(f"{site}/absent") or "Not Found" in unreachable(f"{site}/absent")
    assert "refused" in unreachable("http://127.0.0.1:9")


@pytest.mark.usefixtures("no_network")
def test_weights_that_cannot_be_downloaded_end_it_before_anything_is_prepared(write_params: Write) -> None:
    write_params(students={"yolo26n": {"init": "released"}})
    said = (
        "students.yolo26n.init: yolo26n.pt is not here, and cannot be downloaded (https://github.com does not"
    )
    assert warnings(preflight().params)[0].startswith(said)
    with pytest.raises(KdpipeError, match="copy it into weights/, or write another init"):
        prepare_data(preflight().params)
    assert not Path("data").exists()


@pytest.mark.usefixtures("no_network")
def test_nothing_is_missing_where_it_is_not_needed(write_params: Write) -> None:
    params = load(write_params(students={"yolo26n": {"init": "released"}}))
    students = [cell for cell in all_cells(params) if cell.train_dir.is_relative_to(RUNS_DIR)]
    assert list(missing(params)) == ["yolo26n.pt"]
    for cell in students:  # as after `dvc pull`
        cell.train_dir.mkdir(parents=True)
        (cell.train_dir / RECORD_FILE).touch()
    assert unavailable(missing(params)) == []
    (students[0].train_dir / RECORD_FILE).unlink()
    assert list(missing(params)) == ["yolo26n.pt"]
    Path("weights").mkdir()
    Path("weights/yolo26n.pt").touch()
    assert missing(params) == {}


def test_a_data_set_that_would_be_downloaded(write_params: Write) -> None:
    params = load(write_params(data={"source": "coco8.yaml", "task": "detect"}))
    assert list(missing(params)) == ["coco8.yaml"]
    Path("data/downloads/coco8").mkdir(parents=True)
    assert missing(params) == {}
