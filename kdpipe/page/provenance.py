"""List where the numbers of the report come from."""

from __future__ import annotations

from collections.abc import Iterable

from kdpipe.cells.record import Record
from kdpipe.data.manifest import Manifest

LEFT_OUT = ("dvc_experiment", "dvc_baseline")


def provenance(records: Iterable[Record], manifest: Manifest) -> dict[str, str]:
    """Return data, versions, machines and commits of all trainings by name; all values if they differ."""
    images = ", ".join(f"{name} {split.images}" for name, split in manifest.splits.items())
    found = {"data": f"{manifest.source} ({images} images)", "data digest": manifest.digest}
    found |= {"command": "dvc repro"}
    values: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in record.environment.items():
            if name not in LEFT_OUT:
                values.setdefault(name.replace("git_commit", "trained at commit"), {})[value] = None
    return found | {name: ", ".join(each) for name, each in values.items()}
