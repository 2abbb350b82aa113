"""Write the checked data set that everything else trains on and measures against."""

from __future__ import annotations

from kdpipe.cells.cell import DATASET_DIR
from kdpipe.checks.downloads import missing, unavailable
from kdpipe.data.manifest import Manifest, measured_splits
from kdpipe.data.prepare import nothing_half, prepare
from kdpipe.errors import raise_all
from kdpipe.evaluation.agreement import check_agreement
from kdpipe.params.schema import Params


def prepare_data(params: Params) -> Manifest:
    """Write data/dataset, and check that it has a split to measure on, and that Ultralytics reads it alike.

    Raises:
        KdpipeError: if there is no such source, nothing in it that can be trained on, or if it or weights
            must be downloaded and cannot be.
    """
    raise_all(unavailable(missing(params)))
    manifest = prepare(params.data, DATASET_DIR)
    measured_splits(params, manifest)
    with nothing_half(DATASET_DIR):
        check_agreement(DATASET_DIR)
    return manifest
