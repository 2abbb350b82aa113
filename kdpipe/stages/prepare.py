"""Write the checked data set that everything else trains on and measures against."""

from __future__ import annotations

from kdpipe.cells.cell import DATASET_DIR
from kdpipe.data.manifest import Manifest, measured_splits
from kdpipe.data.prepare import prepare
from kdpipe.params.schema import Params


def prepare_data(params: Params) -> Manifest:
    """Write data/dataset, and check that it has a split to measure on.

    Raises:
        ParamsError, DataError: if there is no such source, or nothing in it that can be trained on.
    """
    manifest = prepare(params.data, DATASET_DIR)
    measured_splits(params, manifest)
    return manifest
