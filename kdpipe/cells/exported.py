"""Exported checkpoints: where their files and their results lie."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kdpipe.cells.cell import EXPORTED_DIR, RESULTS_DIR, Cell

EXPORT_FILE = "export.json"
DONE_FILE = "done.json"  # beside the results of a training's exported files: what they are of
LATENCY = ("latency/low", "latency/median", "latency/high")  # metrics: quartiles, milliseconds per image
SIZE = "file_bytes"  # metric: size of the exported file
SKIPPED_FILE = "skipped.txt"  # of a format that the machine could not export to: why


@dataclass(frozen=True)
class Exported:
    """A checkpoint in another format, with one of its heads."""

    cell: Cell
    format: str
    head: str

    @property
    def folder(self) -> Path:
        """Where the exported file lies, with its record."""
        return EXPORTED_DIR / self.format / self.cell.id / self.head


def measured_as(cell: Cell, format_name: str) -> Cell:
    """A training, with the validation and evaluation of its exported files in place of its own."""
    folder = RESULTS_DIR / format_name / cell.id
    return replace(cell, val_dir=folder / "val", eval_dir=folder / "eval")


def read_export(folder: Path) -> dict[str, Any] | None:
    """Read export.json of an exported file; None if there is no complete one.

    It has the name of the `file`, its size in `bytes`, its `difference` from the checkpoint, and everything
    that it was `made_of`.
    """
    try:
        content: dict[str, Any] = json.loads((folder / EXPORT_FILE).read_text(encoding="utf-8"))
        return content if (folder / content["file"]).exists() and "made_of" in content else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_of(measured: Cell, weights_digest: str, root: Path) -> bool:
    """Whether the results of exported files are of this checkpoint.

    Args:
        measured: The training, as from `measured_as`.
        weights_digest: Digest of the checkpoint.
        root: The folder of the project.
    """
    try:
        done = json.loads((root / measured.val_dir.parent / DONE_FILE).read_text(encoding="utf-8"))
        return bool(done["weights"] == weights_digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False
