"""What was imported, as counts and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from kdpipe.data.importing.annotations import Image
from kdpipe.errors import counted

MOST_CLASSES = 20  # rows of the table


@dataclass(frozen=True)
class ImportResult:
    """Result of an import.

    Attributes:
        yaml: The data yaml.
        images: Number of images by split.
        objects: Number of objects of each class by split.
        warnings: Messages for the user.
    """

    yaml: Path
    images: Mapping[str, int]
    objects: Mapping[str, Counter[str]]
    warnings: list[str]

    def table(self) -> Table:
        """Images, objects and classes by split; of many classes, the most frequent ones."""
        table = Table("", *self.images)
        for split in range(1, len(table.columns)):
            table.columns[split].justify = "right"
        table.add_row("images", *map(str, self.images.values()))
        objects = (str(self.objects[split].total()) for split in self.images)
        table.add_row("objects", *objects, end_section=True)
        total: Counter[str] = Counter()
        for counts in self.objects.values():
            total.update(counts)
        shown = dict(total.most_common(MOST_CLASSES)) if len(total) > MOST_CLASSES else total
        for name in shown:
            table.add_row(escape(name), *(str(self.objects[split][name]) for split in self.images))
        if more := len(total) - len(shown):
            table.add_row(f"and {counted(more, 'class', 'classes')} more", *("" for _ in self.images))
        return table


def objects_of(splits: Mapping[str, Sequence[Image]], names: Sequence[str]) -> dict[str, Counter[str]]:
    """Number of objects of each class by split, also of those without any.

    Args:
        splits: Images by split.
        names: Class names in order.
    """
    found = {}
    for split, images in splits.items():
        counts = Counter(dict.fromkeys(names, 0))
        for image in images:
            counts.update(names[number] for number in image.class_ids())
        found[split] = counts
    return found
