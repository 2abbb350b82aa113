"""Zip files of annotations, as tools export them."""

from __future__ import annotations

import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

from kdpipe.data.importing.finding import MAC_FOLDER
from kdpipe.errors import DataError

MOST_BYTES = 200 * 2**30  # of all files together
MOST_TIMES = 200  # by how much a file may grow; pictures hardly do
SMALL = 100 * 2**20  # bytes that any archive may have
ENCRYPTED = 0x1
NAME_SHOWN = 60  # characters
# What zipfile raises at damaged bytes; names that are no UTF-8 are ValueErrors.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@contextmanager
def opened(source: Path, out: Path) -> Iterator[Path]:
    """The source itself, or the files of a zip in a temporary folder on the disk of the output.

    Args:
        source: A file or folder.
        out: Where the data set will be written.

    Raises:
        DataError: if the zip is broken, too large, or has links or paths that lead out of it.
    """
    if source.suffix.lower() != ".zip" or not source.is_file():
        yield source
        return
    place = next(folder for folder in out.absolute().parents if folder.is_dir())
    with TemporaryDirectory(dir=place, prefix=".kdpipe-zip-") as temporary:
        folder = Path(temporary)
        _extract(source, folder)
        try:
            yield folder
        except DataError as error:
            raise DataError(str(error).replace(temporary, str(source))) from error


def _opened(source: Path) -> zipfile.ZipFile:
    """The archive; names whose encoding it does not say are UTF-8 if they can be, as on a Mac."""
    try:
        return zipfile.ZipFile(source, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(source)


def _extract(source: Path, folder: Path) -> None:
    try:
        with _opened(source) as archive:
            members = [one for one in archive.infolist() if not one.filename.startswith(MAC_FOLDER)]
            _check(source, members, folder)
            archive.extractall(folder, members)
    except BROKEN as error:
        raise DataError(f"{source}: a broken zip ({error}); download it again") from error
    except OSError as error:  # such as names that are too long, or one of a file and of a folder
        name = str(error.filename or "").removeprefix(f"{folder}/")
        place = f"{name[:NAME_SHOWN]}: " if name else ""
        why = error.strerror or error
        raise DataError(f"{source} cannot be unpacked ({place}{why}); unpack it yourself") from error


def _check(source: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    for one in members:
        if _leads_out(one.filename):
            raise DataError(f"{source}: {one.filename} leads out of the archive; do not use this zip")
        if stat.S_IFMT(one.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DataError(f"{source}: {one.filename} is a link or a device; unpack it yourself")
        if one.flag_bits & ENCRYPTED:
            raise DataError(f"{source}: {one.filename} is encrypted; unpack it yourself")
    total = sum(one.file_size for one in members)
    most = min(MOST_BYTES, max(SMALL, MOST_TIMES * source.stat().st_size))
    if total > most:
        raise DataError(f"{source}: its files have {total} bytes, more than {most}; unpack it yourself")
    if total > (free := shutil.disk_usage(folder).free):
        raise DataError(f"{source}: its files need {total} bytes, and {folder.parent} has {free}; make room")


def _leads_out(name: str) -> bool:
    windows = PureWindowsPath(name)
    return bool(windows.drive or windows.root) or ".." in windows.parts or PurePosixPath(name).is_absolute()
