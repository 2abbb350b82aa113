"""Splits that annotations come with: folders, lists of images or files that are named after them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kdpipe.data.importing.annotations import Image, listed, text_of
from kdpipe.data.listing import files_below
from kdpipe.errors import DataError, counted

WORDS = {
    **dict.fromkeys(("train", "training", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# A word of those with what often follows it (train2017, test_images), and any beginning (instances_, obj_);
# Open Images sets its version before the names of some splits only (oidv6-train).
AFTER = r"set|split|data|images?|labels?|annotations|bbox|list|20\d\d"
NAMED = re.compile(
    rf"(?:oidv\d-)?(.*[-_. ])?({'|'.join(WORDS)})(?:[-_ ]?(?:{AFTER}))*",
    re.IGNORECASE,
)
LOOKS_LIKE = re.compile(rf"(?<![a-z])({'|'.join(WORDS)})(?![a-z])", re.IGNORECASE)
LISTS = ("ImageSets/Main", "ImageSets")  # of Pascal VOC


def named_splits(names: Iterable[str]) -> dict[str, str]:
    """The split of each name that stands for one.

    It is a word such as `train`, or names differ in nothing but such a word: `city-train` and `city-val`, but
    not `bullet-train` alone.

    Raises:
        DataError: if two of them stand for the same split.
    """
    by_beginning: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name in sorted(set(names)):
        if match := NAMED.fullmatch(name):
            by_beginning[match[1] or ""][name] = WORDS[match[2].lower()]
    found: dict[str, str] = {}
    for beginning, splits in by_beginning.items():
        if not beginning or len(set(splits.values())) > 1:
            found |= splits
    for split in sorted(set(found.values())):
        of_one = [name for name, its_split in found.items() if its_split == split]
        if len(of_one) > 1:
            raise DataError(f"{' and '.join(of_one)} both stand for {split}; keep one, or rename the other")
    return found


def refuse_unused(names: Iterable[str], what: str) -> None:
    """Refuse names that look like those of splits, such as `train_1` and `val_1`, but are not understood.

    Args:
        names: Names that stand for no split.
        what: What has these names.

    Raises:
        DataError: if they look like different splits; all images together would be split anew.
    """
    alike = {name: match[1].lower() for name in sorted(set(names)) if (match := LOOKS_LIKE.search(name))}
    if len({WORDS[word] for word in alike.values()}) > 1:
        raise DataError(
            f"{what} {listed(alike)} look like splits; name them train, val and test, or without these words "
            "if they are none"
        )


def split_folders(source: Path) -> dict[str, Path]:
    """The folders of a folder that are named after splits, by split."""
    folders = {path.name: path for path in source.iterdir() if path.is_dir()}
    return {split: folders[name] for name, split in named_splits(folders).items()}


def split_files(files: Sequence[Path]) -> dict[str, Path]:
    """The files that are named after splits, by split."""
    stems = {path.stem: path for path in files}
    return {split: stems[name] for name, split in named_splits(stems).items()}


def lists(folder: Path, stems: Iterable[str]) -> dict[str, Path]:
    """Text files below a folder that list the images of a split, by split.

    Args:
        folder: The folder.
        stems: Names of the images without suffix: a text file of such a name has the labels of that image.

    Raises:
        DataError: if there are two for a split, or files whose names only look like splits.
    """
    place = next((folder / name for name in LISTS if (folder / name).is_dir()), folder)
    images = set(stems)
    others = [path for path in files_below(place) if path.suffix == ".txt" and path.stem not in images]
    files = [path for path in others if (match := NAMED.fullmatch(path.stem)) and not match[1]]
    if not files:
        refuse_unused((path.name for path in others), "the files")
    names = {path.stem.lower() for path in files}
    if {"train", "val"} <= names:  # trainval is both
        files = [path for path in files if path.stem.lower() != "trainval"]
    for path in files:
        if twice := [other for other in files if other.stem == path.stem and other != path]:
            raise DataError(f"{path} and {twice[0]} are lists of the same split; keep one")
    return split_files(files)


def by_lists(images: Sequence[Image], given: Mapping[str, Path]) -> tuple[dict[str, list[Image]], list[str]]:
    """Images by split, as lists of them say; each line is the name or the path of an image.

    Returns:
        The images by split.
        A warning if some images are in no list.

    Raises:
        DataError: if a list names images that are not there, or two lists the same one.
    """
    known: defaultdict[str, list[Image]] = defaultdict(list)
    for image in images:
        for name in {image.path.name, image.path.stem}:
            known[name].append(image)
    splits: dict[str, list[Image]] = {}
    for split, file in given.items():
        lines = [line.strip() for line in text_of(file, "a list of images").splitlines() if line.strip()]
        found = [_closest(line, known) for line in lines]
        if missing := [line for line, image in zip(lines, found, strict=True) if image is None]:
            absent = counted(len(missing), "image that is", "images that are")
            raise DataError(f"{file} lists {absent} not there: {listed(missing)}")
        splits[split] = list({image.path: image for image in found if image}.values())
    refuse_shared(splits)
    used = {image.path for of_one in splits.values() for image in of_one}
    left_out = [image.path.name for image in images if image.path not in used]
    files = " and ".join(path.name for path in given.values())
    warning = f"images that {files} do not list are left out: {len(left_out)} ({listed(left_out)})"
    return splits, [warning] if left_out else []


def _closest(line: str, known: Mapping[str, Sequence[Image]]) -> Image | None:
    """The image that a line names; of several with this name, the one whose path ends most like it."""
    parts = re.split(r"[/\\]", line)

    def same_parts(image: Image) -> int:
        own = [*image.path.parts[:-1], parts[-1]]
        pairs = zip(reversed(own), reversed(parts), strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(own), len(parts)))

    return max(known.get(parts[-1], []), key=same_parts, default=None)


def by_folders(images: Sequence[Image]) -> dict[str, list[Image]]:
    """Images by split, as the names of their folders say; empty if none says anything.

    Raises:
        DataError: if a folder says it of some images only, or two folders say different things.
    """
    folders = {folder for image in images for folder in image.folders}
    named = named_splits(folders)
    if not named:
        refuse_unused(folders, "the folders")
    splits: defaultdict[str, list[Image]] = defaultdict(list)
    elsewhere = []
    for image in images:
        own = {named[folder] for folder in image.folders if folder in named}
        if len(own) > 1:
            raise DataError(f"{image.path} is in folders of {' and '.join(sorted(own))}; rename one of them")
        if own:
            splits[own.pop()].append(image)
        else:
            elsewhere.append(image.path)
    if splits and elsewhere:
        raise DataError(
            f"{counted(len(elsewhere), 'image is', 'images are')} in no folder of a split "
            f"({listed(elsewhere)}), others in {' and '.join(named)}; move them into one, or "
            "rename those folders if they are no splits"
        )
    return dict(splits)


def refuse_shared(splits: Mapping[str, Sequence[Image]]) -> None:
    """Refuse an image that is in two splits.

    Raises:
        DataError: naming the first ones.
    """
    seen: dict[Path, str] = {}
    for split, images in splits.items():
        shared = [image.path for image in images if image.path in seen]
        if shared:
            twice = counted(len(shared), "image is", "images are")
            raise DataError(f"{twice} in {split} and in {seen[shared[0]]}: {listed(shared)}")
        seen |= {image.path: split for image in images}
