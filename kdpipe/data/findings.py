"""What a user should know of a data set that can be trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

from kdpipe.data.examine import CheckedExample, Problems, Splits
from kdpipe.errors import counted
from kdpipe.models.tasks import TASKS, Task

FIRST_CLASSES = 5


def findings(splits: Splits, names: Mapping[int, str], task: str, annotated: Container[str]) -> Iterator[str]:
    """Yield warnings about images in two splits, classes without objects, and images with many objects.

    Args:
        splits: The checked images.
        names: Class names by class id.
        task: Task of the labels.
        annotated: Splits that have COCO's own annotations.
    """
    yield from _duplicates(splits).lines()
    yield from _absent_classes(splits, names)
    for split in ("val", "test"):
        yield from _crowded(split, splits.get(split, ()), TASKS[task], split in annotated)


def above_max_det(split: str, objects: Iterable[int], max_det: int) -> Iterator[str]:
    """Yield a warning if images have more objects than predictions are kept of an image.

    Args:
        split: Name of the split.
        objects: Number of objects of each image.
        max_det: `validate.max_det`.
    """
    above = [count for count in objects if count > max_det]
    if above:
        yield (
            f"{split}: {counted(len(above), 'image has', 'images have')} more objects than validate.max_det: "
            f"{max_det} (up to {max(above)}), so that some cannot be found; write {max(above)} or more"
        )


def without_splits(wanted: Sequence[str], splits: Collection[str]) -> Iterator[str]:
    """Yield a warning if the best `dis` is chosen on the images that also measure it, for want of others.

    Args:
        wanted: `validate.splits`.
        splits: The splits that the data has.
    """
    found = [split for split in wanted if split in splits]
    if absent := [split for split in wanted if split not in splits]:
        yield (
            f"the data has no {' or '.join(absent)} split: the best `dis` is chosen on the images that "
            f"measure it ({', '.join(found)}), so its result is too optimistic; name more images in "
            "the data yaml"
        )


def count_classes(examples: Iterable[CheckedExample]) -> Counter[int]:
    """Number of objects per class id."""
    return Counter(label.class_id for checked in examples for label in checked.labels)


def _duplicates(splits: Splits) -> Problems:
    problems = Problems()
    seen: dict[str, tuple[str, str]] = {}
    for split, examples in splits.items():
        for checked in examples:
            content = checked.digest.split(":")[0]
            first_split, name = seen.setdefault(content, (split, checked.example.name))
            if first_split != split:
                kind = f"images that are in {first_split} and in {split}"
                problems.places[kind].append(f"{first_split}/{name} = {split}/{checked.example.name}")
    return problems


def _absent_classes(splits: Splits, names: Mapping[int, str]) -> Iterator[str]:
    for split, examples in splits.items():
        counts = count_classes(examples)
        absent = [name for number, name in names.items() if not counts[number]]
        if absent:
            more = [f"and {len(absent) - FIRST_CLASSES} more"] if len(absent) > FIRST_CLASSES else []
            yield f"{split}: classes without an object: {', '.join([*absent[:FIRST_CLASSES], *more])}"


def _crowded(split: str, examples: Iterable[CheckedExample], task: Task, annotated: bool) -> Iterator[str]:
    most = [max(count_classes([checked]).values(), default=0) for checked in examples]
    above = [count for count in most if count > task.counted]
    if above:
        kept = "that is so here too, as for published figures"
        if task.counts_all(annotated=annotated):
            kept = "on this split it counts all that validate.max_det keeps"
        yield (
            f"{split}: {counted(len(above), 'image has', 'images have')} more than {task.counted} objects of "
            f"a class (up to {max(above)}). COCO's AP counts {task.counted} predictions of a class in an "
            f"image; {kept}"
        )
