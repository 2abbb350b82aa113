"""Run the stages of the pipeline in parallel, for `kdpipe repro`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.markup import escape

from kdpipe.console import console
from kdpipe.errors import KdpipeError, counted
from kdpipe.parallel.board import Board
from kdpipe.parallel.cluster import RayCluster
from kdpipe.parallel.dvc_stages import Pipeline, stage_dir
from kdpipe.parallel.guard import LOG_FILE
from kdpipe.parallel.resources import Needs
from kdpipe.parallel.schedule import Outcome, repro
from kdpipe.params.schema import Params
from kdpipe.paths import state_dir


def run(params: Params, targets: Sequence[str], jobs: int | None, address: str | None) -> bool:
    """Bring stages up to date in parallel.

    Args:
        params: All of params.yaml.
        targets: Stages; all if empty.
        jobs: Parallel trainings per machine; by default one per GPU, or one.
        address: Address of a Ray cluster; None for this machine.

    Returns:
        Whether no stage failed.

    Raises:
        KdpipeError: if another process does so here, Ray cannot be used, or DVC cannot read its files.
    """
    with the_only_one(), connected(jobs, address) as cluster:
        outcome = bring_up_to_date(params, targets, cluster)
    ran, fresh = counted(len(outcome.ran), "stage"), len(outcome.done) - len(outcome.ran)
    were = "was" if fresh == 1 else "were"
    console.print(f"{ran} ran, {fresh} {were} up to date or restored from the cache")
    return tell_failures(outcome)


def bring_up_to_date(params: Params, targets: Sequence[str], cluster: RayCluster) -> Outcome:
    """Run the stale stages of the targets, and show their progress.

    Args:
        params: All of params.yaml.
        targets: Stages; all if empty.
        cluster: Where to run them.

    Returns:
        The outcome of every stage.
    """
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # also hides progress bars; errors come as exceptions
    pipeline = Pipeline(Path.cwd(), targets)
    try:
        with Board(console) as board:
            return repro(pipeline, cluster, Needs(params, cluster), board.show)
    except BaseException:
        cluster.close()  # before the files of its stages are unlocked
        raise
    finally:
        pipeline.close()


def tell_failures(outcome: Outcome) -> bool:
    """Print which stages failed and which were skipped; return whether none failed."""
    for stage, reason in outcome.failed.items():
        console.print(f"[bold red]failed[/] {stage.name}: {escape(reason)}; {stage_dir(stage) / LOG_FILE}")
    for stage, cause in outcome.skipped.items():
        console.print(f"[yellow]skipped[/] {stage.name}: it needs {cause.name}")
    return not outcome.failed


@contextmanager
def the_only_one() -> Iterator[None]:
    """Hold the lock of this repository that allows only one parallel run at a time.

    Raises:
        KdpipeError: if another process holds it.
    """
    state_dir().mkdir(exist_ok=True)
    lock = FileLock(state_dir() / "repro.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout as error:
        raise KdpipeError(
            "another `kdpipe repro` or `tune` is running here; wait for it, or stop it"
        ) from error
    with held:
        yield


@contextmanager
def connected(jobs: int | None, address: str | None) -> Iterator[RayCluster]:
    """Yield a cluster, and stop it at the end."""
    cluster = RayCluster(jobs, address)
    try:
        yield cluster
    finally:
        cluster.close()
