"""Ray on all nodes of a Slurm allocation: its head is here, `srun` starts a node on each of the others.

As Ray's documentation describes it (docs.ray.io, Deploying on Slurm), without `ray stop` at the end, which
would also end other Rays of this user.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from kdpipe.errors import KdpipeError, counted

JOIN_WITHIN = 300.0  # seconds
LOOK = 1.0  # seconds
START = '"$0" -m ray.scripts.scripts start --address "$1" --num-cpus "$SLURM_CPUS_ON_NODE" --block'


def nodes() -> int:
    """Number of nodes of the allocation that this process is in; 1 outside of one."""
    return int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))


def cpus() -> int | None:
    """Cores of this node that the allocation has; None outside of one."""
    found = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return int(found) if found.isdigit() else None


def join(address: str, joined: Callable[[], int]) -> subprocess.Popen[bytes]:
    """Start Ray on the other nodes, and wait until they have joined; they leave when the process is ended.

    Args:
        address: Where the head listens.
        joined: Number of nodes that Ray has, with the head.

    Raises:
        KdpipeError: if `srun` fails, or not all have joined after five minutes.
    """
    others = nodes() - 1
    here = os.environ.get("SLURMD_NODENAME", os.uname().nodename)
    options = [
        f"--nodes={others}",
        f"--ntasks={others}",
        "--ntasks-per-node=1",
        f"--exclude={here}",
        "--overlap",
    ]
    if per_task := os.environ.get("SLURM_CPUS_PER_TASK"):  # since Slurm 22.05, srun does not take it over
        options.append(f"--cpus-per-task={per_task}")
    command = ["srun", *options, "bash", "-c", START, sys.executable, address]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    except OSError as error:
        raise KdpipeError(
            f"this is an allocation of {nodes()} Slurm nodes, but srun fails: {error}"
        ) from error
    end = time.monotonic() + JOIN_WITHIN
    while joined() < nodes():
        if process.poll() is not None:
            raise KdpipeError(f"srun ended with exit code {process.returncode}; {' '.join(command)}")
        if time.monotonic() > end:
            process.terminate()
            missing = counted(nodes() - joined(), "node")
            raise KdpipeError(f"{missing} of the allocation did not join Ray in {JOIN_WITHIN:.0f} s")
        time.sleep(LOOK)
    return process
