from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from omegaconf import OmegaConf

from tests import warm

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

TINY = {
    "data": {
        "source": "digits",
        "task": "detect",
        "digits": {"train": 32, "val": 16, "test": 16, "size": 64},
    },
    "students": {"yolo26n": {"init": "scratch"}},
    "teachers": {"yolo26s": {"init": "scratch", "train": {"epochs": 1}}},
    "pairs": {"n-s": {"student": "yolo26n", "teacher": "yolo26s"}},
    "sweep": {"dis": [1.0], "seeds": [0]},
    "train": {"epochs": 2, "imgsz": 64, "batch": 16, "nbs": 16, "mosaic": 0.0, "device": "cpu"},
    "validate": {"splits": ["val", "test"], "batch": 16},
    "evaluate": {"resamples": 100},
    "tracking": {"uri": "sqlite:///mlflow.db", "experiment": "test"},
}
"""The smallest comparison: one pair, one dis, one seed."""


def forget_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was set by a user, or by a test before (as `mlflow.set_tracking_uri` does)."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _only_this_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the user's runs, and none runs inside somebody's DVC stage."""
    forget_others(monkeypatch)


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


class Project:
    """A clone of this repository with tiny params, driven by the commands a user types."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "DVC_NO_ANALYTICS": "1",
            "PYTHONPATH": str(self.folder),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Run in the background, as the leader of a process group that can be killed whole."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *command: str, check: bool = True, cold: bool = False) -> subprocess.CompletedProcess[str]:
        """Run to its end; `cold` imports everything in each process, as a user's do."""
        environment = self.environment
        if not cold:
            environment["PATH"] = f"{warm.folder()}{os.pathsep}{environment['PATH']}"
        answer = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if check and answer.returncode:
            pytest.fail(
                f"{' '.join(command)} exited with {answer.returncode}:\n{answer.stdout}\n{answer.stderr}"
            )
        return answer

    def edit(self, key: str, value: object) -> None:
        path = self.folder / "params.yaml"
        params = OmegaConf.load(path)
        OmegaConf.update(params, key, value, merge=False)
        OmegaConf.save(params, path)


def copy_repository(folder: Path) -> None:
    """The files that git would clone, with the changes that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)


def fresh_clone(folder: Path) -> Project:
    """A clone with tiny params, nothing run yet."""
    copy_repository(folder)
    shutil.rmtree(folder / "reports", ignore_errors=True)
    (folder / "dvc.lock").unlink(missing_ok=True)
    OmegaConf.save(OmegaConf.create(TINY), folder / "params.yaml")
    project = Project(folder)
    for command in (
        ["git", "init", "--quiet"],
        ["git", "config", "user.email", "test@example.com"],
        ["git", "config", "user.name", "test"],
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message", "start"],
    ):
        project.run(*command)
    return project


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which `dvc repro` has run, made once for all processes that run tests.

    `clone` is for the tests that change it one after another, `copy` for those that want their own; `check.txt` and
    `repro.txt` have what the commands printed.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "first run"
    with FileLock(f"{folder}.lock"):
        if not (folder / "repro.txt").exists():
            shutil.rmtree(folder, ignore_errors=True)
            project = fresh_clone(folder / "clone")
            (folder / "check.txt").write_text(project.run("kdpipe", "check").stdout)
            printed = project.run("dvc", "repro", cold=True).stdout
            of_this_place = shutil.ignore_patterns(
                "mlflow.db", "mlartifacts"
            )  # paths of artifacts are absolute
            shutil.copytree(project.folder, folder / "copy", ignore=of_this_place)
            (folder / "repro.txt").write_text(printed)
    return folder


def copy_of(first_run: Path, folder: Path) -> Project:
    """The clone after its first run; its store of runs is made again by the next report."""
    shutil.copytree(first_run / "copy", folder)
    return Project(folder)


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


def forkserver() -> ForkServerContext:
    """Processes forked from one that has imported everything and computed nothing: they start at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        # What the tests import, and what a training imports later.
        [
            "tests.runner.test_runner",
            "tests.tracking.test_server",
            "matplotlib.pyplot",
            "mlflow.store.tracking.sqlalchemy_store",
            "torch._inductor.config",
            "torchvision",
        ]
    )
    return context


def wait_for(what: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait until something is there, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests first, so that no process waits for another in the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


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
