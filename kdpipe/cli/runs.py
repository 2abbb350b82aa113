"""Commands that train, and what is left of trainings."""

from __future__ import annotations

from typing import Annotated

import typer

from kdpipe.cells.cell import CONFIRM_SEEDS
from kdpipe.console import FAILED, console

Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Trainings in parallel per machine; default: one per GPU."),
]
Ray = Annotated[str | None, typer.Option(help="Address of a Ray cluster that shares this folder.")]

app = typer.Typer()


@app.command()
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages; default: all.")] = None,
    *,
    jobs: Jobs = None,
    ray: Ray = None,
) -> None:
    """Do what `dvc repro` does, with stages in parallel."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.repro import run

    if not run(preflight().params, targets or [], jobs, ray):
        raise typer.Exit(FAILED)


@app.command()
def status() -> None:
    """Show how far the trainings are, and the gains so far; also while they run."""
    from kdpipe.commands.status import tell

    tell(console)


@app.command()
def tune(
    pairs: Annotated[list[str] | None, typer.Argument(help="Pairs; default: all.")] = None,
    *,
    trials: Annotated[int, typer.Option(min=1, help="Number of trials, each a pair at one dis.")] = 12,
    low: Annotated[float | None, typer.Option(help="The smallest dis; default: by method.")] = None,
    high: Annotated[float | None, typer.Option(help="The largest dis; default: by method.")] = None,
    max_seeds: Annotated[
        int, typer.Option(min=0, help="Most new seeds to confirm it; 0: none.")
    ] = CONFIRM_SEEDS,
    budget: Annotated[str | None, typer.Option(help="Most time to confirm it, such as 90m or 2h.")] = None,
    jobs: Jobs = None,
    ray: Ray = None,
) -> None:
    """Search for the best dis (and pair, with its method), and confirm its gain on new seeds."""
    from kdpipe.commands import confirm as confirmation
    from kdpipe.commands.repro import connected, the_only_one
    from kdpipe.commands.tune import checked_bounds, tell, tune

    limits = confirmation.Limits(max_seeds, confirmation.seconds_of(budget))
    with the_only_one(), connected(jobs, ray) as cluster:
        answer = tune(pairs or [], trials, checked_bounds(low, high), cluster)
        tell(answer)
        if max_seeds:
            confirmation.tell(confirmation.confirm([answer.best.pair], limits, cluster))


@app.command()
def confirm(
    pairs: Annotated[list[str] | None, typer.Argument(help="Pairs; default: those begun, else all.")] = None,
    *,
    max_seeds: Annotated[int, typer.Option(min=4, help="Most new seeds.")] = CONFIRM_SEEDS,
    budget: Annotated[str | None, typer.Option(help="Most time, such as 90m or 2h.")] = None,
    jobs: Jobs = None,
    ray: Ray = None,
) -> None:
    """Measure the gain of the best dis on new seeds, until it is decided."""
    from kdpipe.commands.confirm import Limits, confirm, seconds_of, tell
    from kdpipe.commands.repro import connected, the_only_one

    limits = Limits(max_seeds, seconds_of(budget))
    with the_only_one(), connected(jobs, ray) as cluster:
        tell(confirm(pairs or [], limits, cluster))


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove the folders of trainings that params.yaml no longer names."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.clean import clean

    clean(preflight().params, yes=yes)
