"""Bring a pipeline up to date, with the commands of its stages in parallel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dvc.stage import Stage

from kdpipe.errors import KdpipeError
from kdpipe.parallel.cluster import LOST, Need, RayCluster
from kdpipe.parallel.dvc_stages import Command, Pipeline

LOOK = 0.5  # seconds to wait for commands to end
AHEAD = 2  # submitted commands per slot, so that no slot waits while DVC saves a stage


@dataclass
class Running:
    """A stage whose command was submitted."""

    stage: Stage
    command: Command


@dataclass
class Outcome:
    """The state of each stage; `skipped` maps a stage to the failed one that it needs."""

    waiting: list[Stage]
    running: dict[object, Running] = field(default_factory=dict)
    done: list[Stage] = field(default_factory=list)
    ran: list[Stage] = field(default_factory=list)
    failed: dict[Stage, str] = field(default_factory=dict)
    skipped: dict[Stage, Stage] = field(default_factory=dict)


def repro(
    pipeline: Pipeline,
    cluster: RayCluster,
    need: Callable[[str], Need],
    show: Callable[[Outcome], None],
) -> Outcome:
    """Run every stage that is not up to date, as soon as the stages that it needs are done.

    If a stage fails, the stages that need it are skipped; the others continue.

    Args:
        pipeline: The stages.
        cluster: Where their commands run.
        need: Returns what the stage of this name needs.
        show: Called whenever something may have changed.
    """
    now = Outcome(list(pipeline.stages))
    while now.waiting or now.running:
        _begin(pipeline, cluster, need, now)
        show(now)
        _end(pipeline, cluster, now)
        show(now)
    return now


def _begin(pipeline: Pipeline, cluster: RayCluster, need: Callable[[str], Need], now: Outcome) -> None:
    """Submit stages that can run now, but no more than keep every slot busy."""
    settled = {*now.done}
    for stage in list(now.waiting):
        before = pipeline.before[stage]
        lost = next((other for other in before if other in now.failed or other in now.skipped), None)
        if lost is not None:
            now.waiting.remove(stage)
            now.skipped[stage] = now.skipped.get(lost, lost)
        elif before <= settled:
            if now.running and len(now.running) >= AHEAD * cluster.slots:
                return
            now.waiting.remove(stage)
            try:
                command = pipeline.begin(stage)
            except KdpipeError as error:
                now.failed[stage] = str(error)
                continue
            if command is None:
                now.done.append(stage)
                settled.add(stage)
            else:
                reference = cluster.submit(command, need(stage.name))
                now.running[reference] = Running(stage, command)


def _reason(code: int | str, last_words: str) -> str:
    """Why a stage failed, from its exit code or the message of a lost machine, and its last line."""
    if code == LOST:
        return "what waits for its command was killed again and again"
    if isinstance(code, int) and code < 0:
        return f"killed by signal {-code}; the last line of its log: {last_words}"
    return f"{last_words} ({f'exit code {code}' if isinstance(code, int) else code})"


def _end(pipeline: Pipeline, cluster: RayCluster, now: Outcome) -> None:
    """Save the stages whose commands have ended."""
    good = []
    for reference, code in cluster.finished(LOOK):
        ended = now.running.pop(reference)
        if code == 0:
            good.append(ended.stage)
        else:
            pipeline.release(ended.stage)
            now.failed[ended.stage] = _reason(code, ended.command.last_words or "it printed nothing")
    if good:
        wrong = pipeline.save(good)
        now.failed |= wrong
        now.done += [stage for stage in good if stage not in wrong]
        now.ran += [stage for stage in good if stage not in wrong]
