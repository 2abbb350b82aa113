"""A job of two Slurm nodes, as far as it goes without Slurm: `srun` starts its command here."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from kdpipe.errors import KdpipeError
from kdpipe.parallel import slurm
from tests.parallel.test_schedule import PATIENCE, TRAININGS, Dummies
from tests.processes import wait_for
from tests.project import REPOSITORY

SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do echo "$1" >> "$SRUN_NOTES"; shift; done
SLURM_CPUS_ON_NODE=1 exec "$@"
"""
ALLOCATION = {
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_CPUS_ON_NODE": "1",
    "SLURM_CPUS_PER_TASK": "1",
    "SLURMD_NODENAME": "first",
}


def batch_script() -> str:
    """That of docs/scale.md."""
    page = (REPOSITORY / "docs/scale.md").read_text()
    found = re.search(r"```sh\n(#!/bin/bash\n.*?)```", page, flags=re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def dummies(tmp_path: Path) -> Dummies:
    return Dummies(tmp_path / "project")


@pytest.mark.slow
@pytest.mark.nightly
def test_the_batch_script_of_the_docs_uses_both_nodes(dummies: Dummies, tmp_path: Path) -> None:
    commands, notes = tmp_path / "commands", tmp_path / "notes"
    commands.mkdir()
    (commands / "srun").write_text(SRUN)
    (commands / "srun").chmod(0o755)
    (dummies.folder / "job.sh").write_text(batch_script())
    (dummies.folder / ".venv/bin").mkdir(parents=True)
    (dummies.folder / ".venv/bin/activate").touch()  # what it would do is done
    environment = dummies.environment
    path = f"{commands}{os.pathsep}{environment['PATH']}"
    dummies.hold(TRAININGS)
    job = subprocess.Popen(
        ["bash", "job.sh"],
        cwd=dummies.folder,
        env={**environment, **ALLOCATION, "PATH": path, "SRUN_NOTES": str(notes)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: dummies.under_way(2))  # each node has one core and does one at a time
    dummies.release()
    out, _ = job.communicate(timeout=PATIENCE)
    assert job.returncode == 0, out
    dummies.check_whole()
    assert set(notes.read_text().split()) == {
        "--nodes=1",
        "--ntasks=1",
        "--ntasks-per-node=1",
        "--exclude=first",
        "--overlap",
        "--cpus-per-task=1",
    }


def test_an_allocation_without_srun_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KdpipeError, match="allocation of 2 Slurm nodes, but srun fails"):
        slurm.join("127.0.0.1:1", lambda: 1)


def test_an_srun_that_fails_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "srun").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(KdpipeError, match="srun ended with exit code 3"):
        slurm.join("127.0.0.1:1", lambda: 1)


def test_outside_of_an_allocation_there_is_one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALLOCATION:
        monkeypatch.delenv(name, raising=False)
    assert (slurm.nodes(), slurm.cpus()) == (1, None)
