"""The prepared data set, as far as checks may rely on it."""

from __future__ import annotations

from kdpipe.cells.cell import DATASET_DIR, this_stage
from kdpipe.data.manifest import MANIFEST_FILE, Manifest, load_manifest
from kdpipe.params.schema import Data

PREPARE = "prepare"  # stage of dvc.yaml


def prepared(data: Data) -> Manifest | None:
    """Manifest of the prepared data set; None if there is none of this source, or this stage makes it anew.

    Raises:
        KdpipeError: if the manifest is damaged.
    """
    if this_stage() == PREPARE or not (DATASET_DIR / MANIFEST_FILE).exists():
        return None
    manifest = load_manifest(DATASET_DIR)
    return manifest if (manifest.source, manifest.task) == (data.source, data.task) else None
