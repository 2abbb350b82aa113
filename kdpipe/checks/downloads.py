"""Released weights and shipped data sets that a run would download, and whether it can."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException
from pathlib import Path

from kdpipe.cells.cell import all_cells
from kdpipe.cells.record import RECORD_FILE
from kdpipe.data import shipped
from kdpipe.errors import ParamsError, without_file
from kdpipe.models.start_weights import source_of
from kdpipe.params.schema import RELEASED, Params
from kdpipe.paths import downloads_dir, project_root, weights_dir

SITE = "https://github.com"  # Ultralytics releases weights and small data sets there
PATIENCE = 5.0  # seconds
Places = dict[str, tuple[str, Path]]  # file or data yaml -> its key in params.yaml, and a folder for a copy


def missing(params: Params) -> Places:
    """Return what is not on this machine, and is needed by a training that is not finished."""
    places: Places = {}
    if (yaml := shipped.find(params.data.source)) and not shipped.folder_of(yaml).is_dir():
        places[yaml.name] = "data.source", downloads_dir()
    for cell in all_cells(params):
        source = source_of(params, cell)
        path = source.path if source.init == RELEASED else None
        if path and not path.is_file() and not (cell.train_dir / RECORD_FILE).exists():
            places.setdefault(path.name, (source.key, weights_dir()))
    return places


def unavailable(places: Places) -> list[ParamsError]:
    """Return an error for each of these if the site that has them does not answer.

    Args:
        places: What is missing, as from `missing`.
    """
    reason = places and unreachable(SITE)
    if not reason:
        return []
    return [
        ParamsError(
            key,
            f"{name} is not here, and cannot be downloaded ({SITE} does not answer: {reason}); copy it into "
            f"{folder.relative_to(project_root())}/, or write another {key.rpartition('.')[2]}",
        )
        for name, (key, folder) in places.items()
    ]


def warnings(params: Params) -> list[str]:
    """Return what a run would download, a sentence each, and what it could not."""
    places = missing(params)
    if problems := unavailable(places):
        return [without_file(problem) for problem in problems]
    return [
        f"{name} will be downloaded to {folder.relative_to(project_root())}/"
        for name, (_, folder) in places.items()
    ]


def unreachable(site: str) -> str:
    """Return why a site does not answer, also not through a proxy of the environment; "" if it does."""
    request = urllib.request.Request(site, method="HEAD")  # noqa: S310 - the address is a constant
    try:
        urllib.request.urlopen(request, timeout=PATIENCE).close()  # noqa: S310
    except (OSError, HTTPException) as error:
        return str(getattr(error, "reason", "") or error)
    return ""
