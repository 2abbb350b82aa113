"""Find files outside the repository that have changed since they were used; DVC does not watch them."""

from __future__ import annotations

from collections.abc import Iterator

from kdpipe.cells.cell import all_cells
from kdpipe.cells.record import RECORD_FILE, load_record
from kdpipe.data.prepare import source_changed
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Params
from kdpipe.paths import digest_of, resolve


def drift(params: Params) -> Iterator[str]:
    """Yield a warning per changed data source, start weights or model yaml, with the command that helps.

    A damaged record is a warning too.
    """
    if source_changed(params.data):
        yield f"{params.data.source} {_remedy('prepare')}"
    for cell in all_cells(params):
        if not (cell.train_dir / RECORD_FILE).exists():
            continue
        try:
            identity = load_record(cell.train_dir).identity
        except KdpipeError as error:
            yield str(error)
            continue
        for name, digest in ((identity.init, identity.init_digest), (identity.model, identity.model_digest)):
            path = resolve(name)
            if digest and path.is_file() and digest_of(path) != digest:
                yield f"{name} {_remedy(cell.stage)}"


def _remedy(stage: str) -> str:
    return f"has changed since it was used; run `dvc repro --force --single-item {stage}`, then `dvc repro`"
