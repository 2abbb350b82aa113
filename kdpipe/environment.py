"""On what a result was made: versions, machine, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from kdpipe.errors import KdpipeError
from kdpipe.paths import project_root

PACKAGES = (
    "kdpipe",
    "ultralytics-opencv-headless",
    "ultralytics",
    "torch",
    "torchvision",
    "numpy",
    "dvc",
    "mlflow",
)


def describe_environment() -> dict[str, str]:
    """Package versions, Python, operating system, processor, git commit, DVC experiment and its base."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    found |= {"processor": _processor(), "git_commit": git_commit()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for name, variable in (("dvc_experiment", "DVC_EXP_NAME"), ("dvc_baseline", "DVC_EXP_BASELINE_REV")):
        if os.environ.get(variable):
            found[name] = os.environ[variable]
    return found


def ultralytics_version() -> str:
    """The version of either distribution of the `ultralytics` module, without importing it."""
    for package in ("ultralytics-opencv-headless", "ultralytics"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "none"


def check_packages() -> None:
    """Refuse versions that kdpipe was not made for.

    Raises:
        KdpipeError: naming the first package whose version is out of range.
    """
    for line in requires("kdpipe") or []:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = version(wanted.name)
        if not wanted.specifier.contains(found, prereleases=True):
            raise KdpipeError(
                f"{wanted.name} {found} is installed, kdpipe needs {wanted.specifier}; run `make install`, "
                "and use .venv/bin"
            )


def git_commit() -> str:
    """The commit that is checked out, `-dirty` where tracked files differ from it, or `none`."""
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
