"""Stage prepare: data.source -> data/dataset."""

from __future__ import annotations

from rich.markup import escape

from kdpipe.cells.cell import DATASET_DIR
from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.data import coco_annotations
from kdpipe.data.manifest import prepared_above_max_det
from kdpipe.errors import counted
from kdpipe.params.edits import Written
from kdpipe.stages.prepare import prepare_data


@reporting_mistakes
def main() -> None:
    """Write the checked data set."""
    written = Written()
    params = preflight().params
    with claimed("prepare"):
        manifest = prepare_data(params)
    written.refuse_edits("prepare")
    for name, split in manifest.splits.items():
        console.print(
            f"{name:>5}: {counted(split.images, 'image')}, {split.negatives} without objects, "
            f"{counted(split.objects, 'object')}"
        )
    for path in sorted((DATASET_DIR / coco_annotations.FOLDER).glob("*.json")):
        console.print(f"{path.stem:>5}: measured against COCO's own annotations, {path}")
    for line in [*manifest.warnings, *prepared_above_max_det(params, manifest, DATASET_DIR)]:
        console.print(f"[yellow]warning:[/] {escape(line)}")
    console.print(f"data set {manifest.digest} -> {DATASET_DIR}; have a look at {DATASET_DIR}/preview.png")


if __name__ == "__main__":
    main()
