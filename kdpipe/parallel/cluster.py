"""Run commands with Ray, on this machine or on a cluster that shares this folder."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from kdpipe.errors import KdpipeError
from kdpipe.parallel import guard, slurm
from kdpipe.parallel.dvc_stages import Command

LOST = -1000  # in place of an exit code: guard after guard of a command was killed
RETRIES = 3  # when a guard, a worker or its machine is lost
USABLE = 0.9  # of a machine's memory: a machine that replaces another one may have a little less
OBJECT_STORE = 100 * 1024**2  # bytes: tasks exchange almost no data
HERE: dict[str, Any] = {"object_store_memory": OBJECT_STORE, "include_dashboard": False}
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
REACHED_WITHIN = 10.0  # seconds
MISSING = "Ray is not installed; run `pip install 'kdpipe[scale]'`"


@dataclass(frozen=True)
class Need:
    """What a stage needs: GPUs (whole ones, or a fraction of one), and memory in bytes if it is known."""

    gpus: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Machines:
    """The machines of a cluster: how many, and what the smallest one has (memory in bytes)."""

    count: int
    cpus: float
    gpus: float
    memory: int


class RayCluster:
    """Runs commands as Ray tasks.

    A task uses a share of a machine's cores, so that `jobs` tasks run in parallel on each machine. If a
    worker or machine is lost, Ray starts its tasks again, and they continue from their checkpoints.
    """

    def __init__(self, jobs: int | None, address: str | None = None, **given: Any) -> None:
        """Prepare a cluster; Ray starts or connects when it is first needed.

        Args:
            jobs: Parallel trainings per machine; by default one per GPU, or one.
            address: Address of a running cluster, as `ray start --head` prints it; None for this machine, or
                for all nodes of the Slurm allocation that this is in.
            given: Further arguments of `ray.init`.

        Raises:
            KdpipeError: if Ray is not installed.
        """
        if find_spec("ray") is None:
            raise KdpipeError(MISSING)
        self._address, self._given, self._asked = address, given, jobs
        self._running: dict[Any, Command] = {}
        self._joined: subprocess.Popen[bytes] | None = None  # srun, in an allocation of several nodes

    @cached_property
    def machines(self) -> Machines:
        """The machines of the cluster, only those with GPUs if there are any; connects on first use.

        Raises:
            KdpipeError: if it cannot be reached.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        where = self._address or "this machine"
        here = {} if self._address else {**HERE, "num_cpus": slurm.cpus()}
        given = {**QUIET, **here, **self._given}
        try:
            _reach(self._address or "")
            ray.init(address=self._address or "local", **given)
        except (OSError, RuntimeError, ValueError) as error:
            raise KdpipeError(f"Ray at {where} cannot be used: {error}") from error
        if self._address is None and slurm.nodes() > 1:
            self._joined = slurm.join(ray.get_runtime_context().gcs_address, lambda: len(_alive()))
        working = [found for found in _alive() if found.get("CPU")]  # not a head node that runs no tasks
        if not working:
            raise KdpipeError(f"Ray at {where} has no machine with CPUs; add one: `ray start --address ...`")
        chosen = [found for found in working if found.get("GPU")] or working
        least = {name: min(found.get(name, 0.0) for found in chosen) for name in ("CPU", "GPU", "memory")}
        return Machines(len(chosen), least["CPU"], least["GPU"], int(least["memory"]))

    @cached_property
    def _task(self) -> Any:
        import ray

        return ray.remote(max_retries=RETRIES)(_run)

    @property
    def jobs(self) -> int:
        """Parallel tasks per machine."""
        return self._asked or max(1, int(self.machines.gpus))

    @property
    def slots(self) -> int:
        """Parallel tasks on all machines."""
        return self.jobs * self.machines.count

    def submit(self, command: Command, need: Need) -> object:
        """Run a command as soon as resources are free; return a reference to it."""
        machines, cpus = self.machines, self.machines.cpus / self.jobs
        usable = int(USABLE * machines.memory)
        run = self._task.options(
            name=command.folder.name,
            num_cpus=cpus,
            num_gpus=need.gpus,
            memory=min(max(need.memory, usable // self.jobs), usable),
        )
        reference = run.remote(command, str(max(1, int(cpus))))
        self._running[reference] = command
        return reference

    def finished(self, seconds: float) -> Iterator[tuple[object, int | str]]:
        """Wait up to `seconds` for commands to end; yield references with exit codes or error messages."""
        if not self._running:
            return
        import ray

        done, _ = ray.wait(list(self._running), timeout=seconds)
        more, _ = ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        for reference in dict.fromkeys([*done, *more]):
            del self._running[reference]
            try:
                yield reference, ray.get(reference)
            except ray.exceptions.RayError as error:
                yield reference, str(error).strip().splitlines()[0]

    def close(self) -> None:
        """Stop all commands: each one ends with the worker that waits for it."""
        if "machines" in self.__dict__:
            import ray

            ray.shutdown()
            if self._joined:
                self._joined.terminate()
            for command in self._running.values():
                guard.wait_for_end(command.folder)


def _alive() -> list[dict[str, float]]:
    """The resources of each machine that Ray has."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _reach(address: str) -> None:
    """Connect once to a cluster: Ray itself tries for minutes.

    Raises:
        OSError: if nothing answers at HOST:PORT.
    """
    if found := re.fullmatch(r"(?:ray://)?(.+):(\d+)", address):
        socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=REACHED_WITHIN).close()


def _run(command: Command, threads: str) -> int:
    """Run a command in a Ray worker, on the GPUs that Ray sets in CUDA_VISIBLE_DEVICES."""
    seen = {name: value for name, value in os.environ.items() if name == "CUDA_VISIBLE_DEVICES"}
    env = {**command.env, **seen, "OMP_NUM_THREADS": threads}
    program = [sys.executable, guard.__file__, str(command.folder), command.token, *command.lines]
    for _ in range(1 + RETRIES):
        process = subprocess.Popen(
            program,
            cwd=command.cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdout is not None
        with process:
            answer = process.stdout.read()
        if answer:
            return int(answer)
        # The guard was killed, and its command goes on: the next guard waits for its end.
    return LOST
