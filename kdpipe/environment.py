"""Environment of a result: package versions, machine and git commit."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from kdpipe.errors import KdpipeError
from kdpipe.paths import project_root

WRITTEN = ("dvc.lock", "reports")  # tracked by git, and written by the pipeline
ULTRALYTICS = ("ultralytics-opencv-headless", "ultralytics")  # both provide the module
QUANTIZING = ("nvidia-modelopt", "huggingface-hub")  # with which Ultralytics simulates INT8 in a training
PACKAGES = (
    "kdpipe",
    *ULTRALYTICS,
    "torch",
    "torchvision",
    "numpy",
    "dvc",
    "mlflow",
)


def describe_environment() -> dict[str, str]:
    """Package versions, Python, operating system, processor, git commit and DVC experiment of this run."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    found |= {"processor": processor(), "git_commit": git_commit()}
    found |= versions_of(PACKAGES)
    for name, variable in (("dvc_experiment", "DVC_EXP_NAME"), ("dvc_baseline", "DVC_EXP_BASELINE_REV")):
        if os.environ.get(variable):
            found[name] = os.environ[variable]
    return found


def ultralytics_version() -> str:
    """Version of the installed `ultralytics` distribution, without importing it; `none` if it is missing."""
    return _version(*ULTRALYTICS) or "none"


def training_versions() -> dict[str, str]:
    """Versions of the packages that train, because results depend on them."""
    return {"ultralytics": ultralytics_version(), "torch": _version("torch") or "none"}


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the installed ones of these packages."""
    return {package: found for package in packages if (found := _version(package))}


def check_packages() -> None:
    """Check that all required packages are installed in a supported version.

    Raises:
        KdpipeError: if a package is missing or out of range; names the first one.
    """
    for line in requires("kdpipe") or []:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = _version(*(ULTRALYTICS if wanted.name in ULTRALYTICS else (wanted.name,)))
        if found is None or not wanted.specifier.contains(found, prereleases=True):
            raise KdpipeError(
                f"{wanted.name} {found or 'none'} is installed, kdpipe needs {wanted.specifier}; "
                f"run `pip install '{wanted.name}{wanted.specifier}'` (in a clone of kdpipe: `make install`)"
            )


def _version(*packages: str) -> str | None:
    """Version of the first of these packages that is installed, or None."""
    for package in packages:
        with suppress(PackageNotFoundError):
            return version(package)
    return None


def check_user() -> None:
    """Check that the user has a name and a home, as in a container that runs as a plain number it may not.

    Raises:
        KdpipeError: if one is missing; DVC, for one, stops without it.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        raise KdpipeError(
            f"user {os.getuid()} has no name on this machine, and DVC needs one; run `export USER=kdpipe` "
            "(in a container: -e USER=kdpipe)"
        ) from None
    try:
        Path.home()
    except RuntimeError:
        raise KdpipeError("this user has no home folder, and DVC needs one; run `export HOME=/tmp`") from None


def python_problem() -> str | None:
    """Why the stages of `dvc repro` would run with another Python than this one; None if they would not."""
    here = Path(sys.executable).parent
    found = shutil.which("python")
    if found is not None and _prefix_of(found) == Path(sys.prefix).resolve():
        return None
    remedy = f"source {here}/activate" if (here / "activate").exists() else f"export PATH={here}:$PATH"
    what = f"`python` is {found}" if found else "there is no `python` on PATH"
    return f"{what}, not {sys.executable}: stages of `dvc repro` would lack its packages; run `{remedy}`"


@cache
def _prefix_of(python: str) -> Path:
    """The folder of the environment that a Python belongs to."""
    command = [python, "-c", "import sys; print(sys.prefix)"]
    answer = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    return Path(answer.stdout.strip() or os.devnull).resolve()


def of_this_python(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process in which `python` is the one that runs now."""
    if python_problem() is None:
        return dict(environment)
    places = [str(Path(sys.executable).parent), *filter(None, [environment.get("PATH")])]
    return {**environment, "PATH": os.pathsep.join(places)}


def git_commit() -> str:
    """Hash of the checked-out commit, with `-dirty` if tracked files are modified, or `none`.

    What the pipeline writes while it runs does not count.
    """
    answer = _git("describe", "--always", "--abbrev=40", "--exclude=*")
    if answer is None or answer.returncode:
        return "none"
    changes = _git("diff", "--quiet", "HEAD", "--", ":(top)", *(f":(exclude){path}" for path in WRITTEN))
    return answer.stdout.strip() + ("-dirty" if changes and changes.returncode else "")


def git_problem() -> str | None:
    """Why runs cannot record the commit of the code, and what helps; None if they can."""
    answer = _git("describe", "--always")
    if answer and answer.returncode == 0:
        return None
    if answer is None:
        return "git is not installed, so runs cannot record their code version; install it"
    if remedy := _owner_remedy(answer):
        return (
            "git does not read this repository, because it belongs to another user, so runs cannot record "
            f"their code version; run `{remedy}`"
        )
    return "no commit: runs cannot record their code version; run `git commit`"


def owner_problem() -> str | None:
    """Why git does not read this repository at all, and what helps; None if it does."""
    answer = _git("describe", "--always")
    remedy = _owner_remedy(answer) if answer else None
    return f"the repository belongs to another user; run `{remedy}`" if remedy else None


def _owner_remedy(answer: subprocess.CompletedProcess[str]) -> str | None:
    """The command that git suggests for a repository of another user."""
    if answer.returncode == 0 or "safe.directory" not in answer.stderr:
        return None
    return answer.stderr.strip().splitlines()[-1].strip()


def _git(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    """The answer of git, in English; None if git is not installed."""
    command = ["git", *arguments]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            cwd=project_root(),
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError:
        return None


def processor() -> str:
    """Model of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
