"""Check this machine, and print what would make `dvc repro` fail on it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import psutil
from dvc.repo import Repo
from rich.console import Console
from rich.markup import escape

from kdpipe.checks.downloads import missing, unavailable
from kdpipe.checks.preflight import preflight
from kdpipe.checks.trainings import missing_devices
from kdpipe.commands.store import registry_warnings, store_problem
from kdpipe.environment import check_packages, git_commit, git_problem, python_problem, ultralytics_version
from kdpipe.errors import KdpipeError, counted, without_file
from kdpipe.params.schema import Params
from kdpipe.params.tracking_uri import database_file, shown_uri
from kdpipe.paths import project_root

GIB = 2**30
LITTLE_SPACE, LITTLE_MEMORY = 10, 8  # GiB
NO_SPACE = 1
IMGSZ = 320  # a size that a CPU can train at
GOOD, WARNING, BAD = "good", "warning", "bad"
COLOURS = {GOOD: "green", WARNING: "yellow", BAD: "red"}


@dataclass(frozen=True)
class Finding:
    """The result of one check; a `bad` one makes `dvc repro` fail, a `warning` may."""

    what: str
    level: str
    says: str


def tell(console: Console) -> bool:
    """Print all findings; return whether none of them makes `dvc repro` fail."""
    failing = 0
    for found in examine():
        console.print(f"[{COLOURS[found.level]}]{found.level:>7}[/]  {found.what}: {escape(found.says)}")
        failing += found.level == BAD
    if failing:
        console.print(f"{failing} of these would make `dvc repro` fail")
    return not failing


def examine() -> Iterator[Finding]:
    """Run all checks one after another."""
    yield _versions()
    yield _python()
    yield _processor()
    yield _memory()
    yield _disk()
    yield _git()
    params, finding = _params()
    yield finding
    if params:
        yield from (Finding("device", BAD, str(error)) for error in missing_devices(params))
        yield from _tracking(params)
        yield from _downloads(params)
    yield _remote()
    yield _scale()


def _versions() -> Finding:
    def compare() -> str:
        check_packages()
        return f"Python {platform.python_version()}, Ultralytics {ultralytics_version()}"

    return _tried("versions", compare)


def _python() -> Finding:
    problem = python_problem()
    return Finding("python", BAD, problem) if problem else Finding("python", GOOD, sys.executable)


def _processor() -> Finding:
    from kdpipe.yolo.device import gpus
    from kdpipe.yolo.hermetic import cpu_threads
    from kdpipe.yolo.precision import measured

    if found := gpus():
        return Finding("processor", GOOD, ", ".join(found))
    threads = counted(cpu_threads(), "CPU thread")
    says = f"torch sees no GPU; {threads}: for small data and small images only; {measured(IMGSZ).why}"
    return Finding("processor", WARNING, says)


def _memory() -> Finding:
    found = psutil.virtual_memory()
    level = WARNING if found.available < LITTLE_MEMORY * GIB else GOOD
    return Finding("memory", level, f"{found.available / GIB:.0f} of {found.total / GIB:.0f} GiB free")


def _disk() -> Finding:
    free = shutil.disk_usage(project_root()).free / GIB
    level = BAD if free < NO_SPACE else WARNING if free < LITTLE_SPACE else GOOD
    return Finding("disk", level, f"{free:.1f} GiB free for checkpoints, DVC's cache and MLflow")


def _git() -> Finding:
    problem = git_problem()
    return Finding("git", WARNING, problem) if problem else Finding("git", GOOD, git_commit())


def _params() -> tuple[Params | None, Finding]:
    try:
        params = preflight().params
    except KdpipeError as error:
        return None, Finding("params.yaml", BAD, without_file(error))
    return params, Finding("params.yaml", GOOD, "valid; `kdpipe check` prints what would run")


def _tracking(params: Params) -> Iterator[Finding]:
    uri = shown_uri(params.tracking)
    if problem := store_problem(params.tracking):
        yield Finding("MLflow", BAD, problem)
    elif (file := database_file(params.tracking)) and not file.exists():
        yield Finding("MLflow", GOOD, f"{uri} will be created")
    else:
        yield Finding("MLflow", GOOD, f"{uri}, experiment {params.tracking.experiment}")
    for sentence in registry_warnings(params.tracking):
        yield Finding("MLflow", WARNING, sentence)


def _downloads(params: Params) -> Iterator[Finding]:
    places = missing(params)
    if problems := unavailable(places):
        yield from (Finding("downloads", BAD, without_file(problem)) for problem in problems)
    elif places:
        yield Finding("downloads", WARNING, f"{', '.join(places)}: Ultralytics will download them")


def _remote() -> Finding:
    def look() -> str:
        with Repo(str(project_root())) as repo:
            name = repo.config["core"].get("remote")
            if not name:
                return ""
            storage = repo.cloud.get_remote_odb(name)
            storage.fs.exists(storage.path)
            return f"{name}: {repo.config['remote'][name]['url']}"

    found = _tried("DVC remote", look)
    if found.level == GOOD and found.says:
        return found
    says = found.says or "none: results are in .dvc/cache of this machine only"
    return Finding("DVC remote", WARNING, says)  # `dvc repro` needs no remote


def _scale() -> Finding:
    missing = [name for name in ("ray", "optuna") if find_spec(name) is None]
    if missing:
        says = (
            f"not installed: {', '.join(missing)}; needed by `kdpipe repro` and `kdpipe tune`; "
            "run `pip install 'kdpipe[scale]'`"
        )
        return Finding("scale", WARNING, says)
    return Finding("scale", GOOD, "Ray and Optuna are installed")


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, GOOD, look())
    except Exception as error:  # any error of a storage or a server is the answer of the check
        return Finding(what, BAD, str(error) or type(error).__name__)
