"""Text files of one line per object: KITTI and DOTA."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdpipe.data.importing.annotations import text_of
from kdpipe.data.importing.objects import Picture, Read, Shape, numbers_of, seen_names, wrong

KITTI, DOTA = "KITTI txt", "DOTA txt"
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
KITTI_LINE = re.compile(rf"[^\d\s.+-]\S*(?:\s+{NUMBER}){{14,15}}")  # class and 14 numbers, and a score
DOTA_LINE = re.compile(rf"{NUMBER}(?:\s+{NUMBER}){{7}}\s+[^\d\s]\S*(?:\s+\d+)?")
DOTA_HEAD = re.compile(r"(imagesource|gsd)\s*:.*", re.IGNORECASE)
UNLABELLED = "DontCare"  # KITTI's regions that count neither as right nor as wrong
NOT_LEARNED = "regions of KITTI's DontCare"


def kind_of(file: Path) -> str:
    """KITTI or DOTA, as the first line of a text file says; empty for others."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        for line in lines:
            text = line.strip()
            if DOTA_HEAD.fullmatch(text) or DOTA_LINE.fullmatch(text):
                return DOTA
            if text:
                return KITTI if KITTI_LINE.fullmatch(text) else ""
    return ""


def read(files: Sequence[Path], tool: str, folder: Path) -> Read:
    """Pictures and objects of text files; classes by the alphabet.

    Args:
        files: The files.
        tool: KITTI or DOTA.
        folder: Folder in which the images are looked for.

    Raises:
        DataError: naming the file and the line that is broken.
    """
    parse = _kitti if tool == KITTI else _dota
    pictures = [Picture([file.stem], None, list(parse(file))) for file in files]
    names = [name for name in seen_names(pictures) if name != UNLABELLED]
    return Read(tool, folder, names, pictures, folder)


def _written(file: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text_of(file, "labels").splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def _kitti(file: Path) -> Iterator[Shape]:
    for number, line in _written(file):
        if not KITTI_LINE.fullmatch(line):
            raise wrong(KITTI, file, "a line needs a class and 14 numbers", number)
        words = line.split()
        left, top, right, bottom = numbers_of(words[4:8], KITTI, file, number)
        skip = NOT_LEARNED if words[0] == UNLABELLED else ""
        yield Shape(words[0], number, (left, top, right, bottom), skip=skip)


def _dota(file: Path) -> Iterator[Shape]:
    for number, line in _written(file):
        if DOTA_HEAD.fullmatch(line):
            continue
        if not DOTA_LINE.fullmatch(line):
            raise wrong(DOTA, file, "a line needs x and y of four corners, a class and 0 or 1", number)
        words = line.split()
        yield Shape(words[8], number, corners=numbers_of(words[:8], DOTA, file, number))
