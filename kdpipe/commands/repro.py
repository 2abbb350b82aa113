"""What `kdpipe repro` does."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.markup import escape

from kdpipe.console import console
from kdpipe.errors import KdpipeError
from kdpipe.parallel.board import Board
from kdpipe.parallel.cluster import RayCluster
from kdpipe.parallel.dvc_stages import Pipeline, stage_dir
from kdpipe.parallel.guard import LOG_FILE
from kdpipe.parallel.resources import Needs
from kdpipe.parallel.schedule import Outcome, repro
from kdpipe.params.schema import Params
from kdpipe.paths import state_dir


def run(params: Params, targets: Sequence[str], jobs: int | None, address: str | None) -> bool:
    """Bring the stages up to date, side by side; returns whether all are.

    Raises:
        KdpipeError: if another does so here, Ray cannot be used, or DVC cannot read its files.
    """
    with the_only_one(), connected(jobs, address) as cluster:
        outcome = bring_up_to_date(params, targets, cluster)
    fresh = len(outcome.done) - len(outcome.ran)
    console.print(f"{len(outcome.ran)} stages ran, {fresh} were up to date or in the cache")
    return tell_failures(outcome)


def bring_up_to_date(params: Params, targets: Sequence[str], cluster: RayCluster) -> Outcome:
    """Run what is stale of the targets, and show it."""
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # its bars follow it; errors come as exceptions
    pipeline = Pipeline(Path.cwd(), targets)
    try:
        with Board(console) as board:
            return repro(pipeline, cluster, Needs(params, cluster), board.show)
    except BaseException:
        cluster.close()  # before others may touch the files of its stages
        raise
    finally:
        pipeline.close()


def tell_failures(outcome: Outcome) -> bool:
    """Say what failed and what was left out for it; returns whether nothing did."""
    for stage, reason in outcome.failed.items():
        console.print(f"[bold red]failed[/] {stage.name}: {escape(reason)}; {stage_dir(stage) / LOG_FILE}")
    for stage, cause in outcome.skipped.items():
        console.print(f"[yellow]left out[/] {stage.name}: it needs {cause.name}")
    return not outcome.failed


@contextmanager
def the_only_one() -> Iterator[None]:
    """Hold this project's lock of what runs stages side by side.

    Raises:
        KdpipeError: if it is held.
    """
    state_dir().mkdir(exist_ok=True)
    lock = FileLock(state_dir() / "repro.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout as error:
        raise KdpipeError("another `kdpipe repro` is at work here; wait for it, or stop it") from error
    with held:
        yield


@contextmanager
def connected(jobs: int | None, address: str | None) -> Iterator[RayCluster]:
    """A cluster that is stopped in the end."""
    cluster = RayCluster(jobs, address)
    try:
        yield cluster
    finally:
        cluster.close()
