"""Commands around params.yaml, the data and the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdpipe.console import FAILED, console
from kdpipe.errors import KdpipeError, did_you_mean
from kdpipe.params.limits import MOST_SEED
from kdpipe.paths import IMPORTED

app = typer.Typer()


@app.command()
def check() -> None:
    """Check params.yaml, and print what `dvc repro` would run."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.plan import tell

    tell(preflight(), console)


@app.command()
def doctor() -> None:
    """Check this machine, and print what would make `dvc repro` fail."""
    from kdpipe.commands.doctor import tell

    if not tell(console):
        raise typer.Exit(FAILED)


def _presets() -> list[str]:
    from kdpipe.commands.presets import presets

    return list(presets())


@app.command()
def init(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="The project's folder; a new one, or in a repository.")
    ] = Path(),
    *,
    preset: Annotated[
        str | None,
        typer.Option(help="Ready-made params.yaml; `kdpipe preset` lists them.", autocompletion=_presets),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Own data: a data yaml, its folder, or annotations to import.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Task of the data: detect, segment, pose or obb; default: by its yaml.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time for the trainings on own data, such as 90m; default: 2h.")
    ] = None,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Bring a project's files up to the installed kdpipe.")
    ] = False,
) -> None:
    """Make a project: params.yaml, dvc.yaml, pipelines/, git and DVC; with own data, propose a comparison."""
    from kdpipe.commands import init, template
    from kdpipe.commands.confirm import seconds_of

    start: Path = context.obj
    if upgrade:
        init.tell(template.upgrade(start / folder), console)
        return
    where = (start / data).resolve() if data else None
    question = init.Question(preset, where, task, seconds_of(budget) or init.BUDGET)
    init.init((start / folder).resolve(), question, start, console)


@app.command()
def preset(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of the preset; without it, list all.", autocompletion=_presets),
    ] = None,
) -> None:
    """Write a ready-made params.yaml, unless that would lose uncommitted edits."""
    from kdpipe.commands.presets import listed, use

    if name is None:
        console.print(listed())
        return
    use(name)
    console.print(f"{name} -> params.yaml; next: run `kdpipe check`, then `dvc repro`")


@app.command("import")
def import_(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder, file or zip that a tool exported.")],
    *,
    task: Annotated[str, typer.Option(help="detect, segment, pose or obb.")] = "detect",
    out: Annotated[Path, typer.Option(help="New folder, relative to the project's root.")] = IMPORTED,
    images: Annotated[Path | None, typer.Option(help="Folder of the images, if not beside.")] = None,
    groups: Annotated[
        str | None,
        typer.Option(help="Regular expression; images with the same match in name or path stay together."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Random seed of the split.")] = 0,
) -> None:
    """Convert what an annotation tool exported to a data set with a data yaml.

    COCO, YOLO, Pascal VOC, CVAT, labelme, VIA, csv, FiftyOne, KITTI, Open Images, DOTA; also a data yaml
    without val. docs/own-data.md lists what is read of each.
    """
    from kdpipe.checks.places import refuse_output
    from kdpipe.commands.imported import tell
    from kdpipe.data.importing import import_data
    from kdpipe.models.tasks import TASKS

    refuse_output("--out", out)
    if task not in TASKS:
        raise KdpipeError(f"--task {task!r}: {did_you_mean(task, TASKS)}")
    start: Path = context.obj
    where = start / images if images else None
    done = import_data(start / source, out, task, images=where, groups=groups, seed=seed)
    tell(done, console)
    console.print(
        f"data yaml -> {done.yaml}; next: data.source: {done.yaml} in params.yaml, then run `kdpipe check`"
    )
