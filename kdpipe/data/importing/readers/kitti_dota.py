"""Text files of one line per object: KITTI and DOTA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kdpipe.data.importing.annotations import text_of
from kdpipe.data.importing.objects import Picture, Read, Shape, numbers_of, seen_names, wrong

KITTI, DOTA = "KITTI txt", "DOTA txt"
KITTI_WORDS = (15, 16)  # class and 14 numbers, and a score
DOTA_NUMBERS, DOTA_WORDS = 8, (9, 10)  # four corners, class, and whether it is difficult
DOTA_HEADS = ("imagesource:", "gsd:")
HEAD = 4096  # characters of a file that are looked at
UNLABELLED = "DontCare"  # KITTI's regions that count neither as right nor as wrong
NOT_LEARNED = "regions of KITTI's DontCare"


def kind_of(file: Path) -> str:
    """KITTI or DOTA, as the first line of a text file says; empty for others."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        found = [line.strip() for line in lines.read(HEAD).splitlines() if line.strip()]
    line = found[0] if found else ""
    if _is_dota_head(line) or _is_dota(line.split()):
        return DOTA
    return KITTI if _is_kitti(line.split()) else ""


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _is_kitti(words: Sequence[str]) -> bool:
    return len(words) in KITTI_WORDS and not _is_number(words[0]) and all(map(_is_number, words[1:]))


def _is_dota(words: Sequence[str]) -> bool:
    numbers, names = words[:DOTA_NUMBERS], words[DOTA_NUMBERS:]
    return len(words) in DOTA_WORDS and all(map(_is_number, numbers)) and not _is_number(names[0])


def _is_dota_head(line: str) -> bool:
    return line.lower().replace(" ", "").startswith(DOTA_HEADS)


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
        words = line.split()
        if not _is_kitti(words):
            raise wrong(KITTI, file, "a line needs a class and 14 numbers", number)
        left, top, right, bottom = numbers_of(words[4:8], KITTI, file, number)
        skip = NOT_LEARNED if words[0] == UNLABELLED else ""
        yield Shape(words[0], number, (left, top, right, bottom), skip=skip)


def _dota(file: Path) -> Iterator[Shape]:
    for number, line in _written(file):
        words = line.split()
        if _is_dota_head(line):
            continue
        if not _is_dota(words):
            raise wrong(DOTA, file, "a line needs x and y of four corners, a class and 0 or 1", number)
        yield Shape(words[DOTA_NUMBERS], number, corners=numbers_of(words[:DOTA_NUMBERS], DOTA, file, number))
