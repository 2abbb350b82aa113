"""Environment of a result: package versions, machine and git commit."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from kdpipe.errors import KdpipeError
from kdpipe.paths import project_root

ULTRALYTICS = ("ultralytics-opencv-headless", "ultralytics")  # both provide the module
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
    found |= {"processor": _processor(), "git_commit": git_commit()}
    found |= {package: installed for package in PACKAGES if (installed := _version(package))}
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
                "run `make install`, and use .venv/bin"
            )


def _version(*packages: str) -> str | None:
    """Version of the first of these packages that is installed, or None."""
    for package in packages:
        with suppress(PackageNotFoundError):
            return version(package)
    return None


def git_commit() -> str:
    """Hash of the checked-out commit, with `-dirty` if tracked files are modified, or `none`."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return answer.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
