from __future__ import annotations

import gc
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from omegaconf import OmegaConf

from tests.project import REPOSITORY, TINY, Project, fresh_clone

SHARED_DATA = REPOSITORY.parent / "shared" / "data"
AT_ONCE = 4  # files of tests, in `make test`


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell ignores it for what it starts in the background, and so would what tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def forget_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was set by a user, or by a test before (as `mlflow.set_tracking_uri` does)."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _only_this_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the user's runs, and none runs inside somebody's DVC stage."""
    forget_others(monkeypatch)


@pytest.fixture(autouse=True, scope="module")
def _no_project_of_a_test_before() -> Iterator[None]:
    """The same for what the fixtures of a module run."""
    with pytest.MonkeyPatch.context() as patch:
        forget_others(patch)
        yield


@pytest.fixture
def write_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A folder with a tiny params.yaml, changed by dotted keys, as the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(**changes: object) -> Path:
        params = OmegaConf.create(TINY)
        for key, value in changes.items():
            OmegaConf.update(params, key.replace("__", "."), value, merge=False)
        path = tmp_path / "params.yaml"
        OmegaConf.save(params, path)
        return path

    return write


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is not there, for this process and those that it starts."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the data sets in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def teacher_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A yolo26s of ten digits that has learned nothing: enough to distil from."""
    from kdpipe.yolo.hermetic import configure

    configure()
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    path = tmp_path_factory.mktemp("weights") / "teacher.pt"
    model = YOLO("yolo26s.yaml")
    model.model = DetectionModel("yolo26s.yaml", nc=10, verbose=False)
    model.model.names = {digit: str(digit) for digit in range(10)}
    model.save(path)
    return path


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """One folder for all processes that run tests."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables in an SQLite file, created once: MLflow takes two seconds for it."""
    from kdpipe.tracking.database import _create

    path = shared_folder(tmp_path_factory) / "empty.db"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            _create(path)
    return path


@pytest.fixture(autouse=True)
def _no_database_is_created_twice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("gpu"):
        return  # where there is a GPU, there may be no MLflow
    empty_database = request.getfixturevalue("empty_database")

    def copied(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(empty_database, path)

    monkeypatch.setattr("kdpipe.tracking.database._create", copied)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """A clone in which `dvc repro` has run, made once for all processes that run tests.

    `clone` is for the tests that change it one after another, `copy` for those that want their own;
    `check.txt`, `repro.txt` and `errors.txt` have what the commands printed.
    """
    folder = shared_folder(tmp_path_factory) / "first run"
    with FileLock(f"{folder}.lock"), pytest.MonkeyPatch.context() as patch:
        forget_others(patch)
        if not (folder / "repro.txt").exists():
            shutil.rmtree(folder, ignore_errors=True)
            project = fresh_clone(folder / "clone")
            (folder / "check.txt").write_text(project.run("kdpipe", "check").stdout)
            answer = project.run("dvc", "repro")
            store = shutil.ignore_patterns("mlflow.db", "mlartifacts")  # which has absolute paths
            shutil.copytree(project.folder, folder / "copy", ignore=store)
            shutil.copyfile(empty_database, folder / "copy/mlflow.db")
            (folder / "errors.txt").write_text(answer.stderr)
            (folder / "repro.txt").write_text(answer.stdout)
    return folder


@pytest.fixture(scope="session")
def clone(first_run: Path) -> Project:
    """The clone after its first run, shared by the tests of one file, in their order."""
    return Project(first_run / "clone")


@pytest.fixture(scope="module")
def finished_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every cell of SCORES, its runs in a store: made once, reported on by several tests."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        forget_others(patch)
        from tests.reported import SCORES, finish, report

        for cell, score in SCORES.items():
            finish(cell, score)
        report(list(SCORES))
    return folder


@pytest.fixture
def reports(finished_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished_folder)
    return finished_folder / "reports"


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster on this machine, of a head that only directs; nodes are added to it."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests first, so that no process waits for another in the end.

    Those that copy the first run come after the first files, for one of which it is made.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    copying, changing = (
        {item.path for item in items if fixture in getattr(item, "fixturenames", ())}
        for fixture in ("first_run", "clone")
    )
    copying -= changing
    longest = sorted((path for path in slow if path not in copying), key=lambda path: -slow[path])
    order = [*longest[:AT_ONCE], *sorted(copying), *longest[AT_ONCE:]]
    items.sort(key=lambda item: order.index(item.path) if item.path in order else len(order))


def pytest_collection_finish() -> None:
    """Search what was imported for garbage no more: Ultralytics collects it several times in a training."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print every bad input that was tried, with what was said of it."""
    ended = [
        (report, properties.get("bad input"))
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, ())
        if "test_bad_inputs.py" in report.nodeid and report.when == "call"
        for properties in [dict(report.user_properties)]
        if report.failed or "bad input" in properties
    ]
    if ended:
        terminalreporter.section("bad inputs")
        for report, message in ended:
            terminalreporter.line(f"{report.nodeid.split('::')[1]}: {message}")
        clear = sum(report.passed for report, _ in ended)
        terminalreporter.line(f"bad inputs: {len(ended)} tried, {clear} clear")
