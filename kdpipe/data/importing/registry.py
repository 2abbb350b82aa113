"""The formats that are read: how each is recognised, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdpipe.data.images import SUFFIXES
from kdpipe.data.importing import per_image
from kdpipe.data.importing.annotations import listed
from kdpipe.data.importing.finding import is_junk
from kdpipe.data.importing.objects import Read, wrong
from kdpipe.data.importing.readers import coco, cvat, fiftyone, kitti_dota, labelme, table, via, voc
from kdpipe.data.importing.readers.json_file import content_of
from kdpipe.data.importing.readers.xml_file import line_of, root_of
from kdpipe.data.importing.yolo import looks_like_labels
from kdpipe.data.listing import files_below
from kdpipe.errors import DataError

NOTES = "notes.json"  # of Label Studio, beside YOLO files; no annotations
# Folders in which formats keep their files, below the folder that is given.
BELOW = ("", "Annotations", "annotations", "labels", "label_2", "labelTxt", "labelTxt-v1.0/labelTxt")


@dataclass(frozen=True)
class JsonFormat:
    """A format in a json file.

    Attributes:
        tool: Its name.
        fits: Whether content is of it.
        read: Reads the file, its content and the folder of its images.
        refused: Whether it is only known to be refused.
    """

    tool: str
    fits: Callable[[Any], bool]
    read: Callable[[Path, Any, Path], Read]
    refused: bool = False


def _refuse_panoptic(file: Path, _content: Any, _folder: Path) -> Read:
    raise coco.refuse_panoptic(file)


def _refuse_tasks(file: Path, _content: Any, _folder: Path) -> Read:
    raise wrong("Label Studio json", file, "export the project as COCO or YOLO with images")


JSON = (
    JsonFormat("COCO panoptic", coco.is_panoptic, _refuse_panoptic, refused=True),
    JsonFormat(coco.TOOL, coco.is_coco, coco.read),
    JsonFormat(fiftyone.TOOL, fiftyone.is_fiftyone, fiftyone.read),
    JsonFormat(labelme.TOOL, labelme.is_labelme, lambda file, _, folder: labelme.read([file], folder)),
    JsonFormat(via.TOOL, via.is_via, via.read),
    JsonFormat(
        "Label Studio json",
        lambda content: (
            isinstance(content, list)
            and any(isinstance(one, dict) and "data" in one and "annotations" in one for one in content)
        ),
        _refuse_tasks,
        refused=True,
    ),
)
JSON_TOOLS = [one.tool for one in JSON if not one.refused]


def read_file(file: Path, folder: Path) -> Read:
    """Read one file of annotations.

    Args:
        file: The file.
        folder: Folder in which its images are looked for.

    Raises:
        DataError: if it is of no known format, or broken.
    """
    suffix = file.suffix.lower()
    if suffix == ".json":
        content = content_of(file)
        if found := _json_format(content):
            return found.read(file, content, folder)
        raise DataError(f"{file} is json of no known tool; known are {', '.join(JSON_TOOLS)}")
    if suffix == ".xml":
        return _read_xml(file, folder)
    if suffix == ".csv":
        return _read_csv(file, folder)
    raise DataError(f"{file} is no annotation file: known are json, xml and csv, and folders of label files")


def _json_format(content: Any) -> JsonFormat | None:
    return next((one for one in JSON if one.fits(content)), None)


def _read_xml(file: Path, folder: Path) -> Read:
    root = root_of(file)
    if root.tag == "annotation":
        return voc.read([file], folder)
    if root.tag == "annotations":
        return cvat.read(file, folder, root)
    raise wrong(
        "xml",
        file,
        f"<{root.tag}> is neither Pascal VOC's nor CVAT's",
        line_of(root),
    )


def _read_csv(file: Path, folder: Path) -> Read:
    header = table.header_of(file)
    if "#filename" in header:
        raise via.refuse_csv(file)
    if table.is_table(file):
        return table.read(file, folder)
    if table.is_open_images(file):
        return table.read_open_images(file, folder)
    raise wrong(
        "csv",
        file,
        f"the first line must name the columns {', '.join(table.COLUMNS)} (or those of Open Images); found: "
        f"{table.other_header(file)}",
        1,
    )


def files_in(folder: Path, suffix: str) -> list[Path]:
    """Files of a suffix in a folder, or in the first of a format's folders below that has some."""
    return next(_files_in_each(folder, suffix), [])


def _files_in_each(folder: Path, suffix: str) -> Iterator[list[Path]]:
    for place in (folder / name for name in BELOW):
        found = sorted(path for path in place.glob("*") if path.suffix.lower() == suffix and path.is_file())
        if found := [path for path in found if path.name != NOTES and not is_junk(path, folder)]:
            yield found


def read_folder(folder: Path) -> Read | None:
    """Read the annotations in a folder; None if there are none, or only YOLO's label files.

    Raises:
        DataError: if there are several files of which only one can be meant, or one is broken.
    """
    if files := files_in(folder, ".xml"):
        if root_of(files[0]).tag == "annotation":
            return per_image.read(per_image.VOC, files, files[0].parent, folder)
        return read_file(_only(files, folder), folder)
    for files in _files_in_each(folder, ".json"):
        if found := _read_jsons(files, folder):
            return found
    if files := [path for path in files_in(folder, ".csv") if table.is_known(path)]:
        return read_file(_only(files, folder), folder)
    return _read_lines(folder) or _read_below(folder)


def _read_lines(folder: Path) -> Read | None:
    """Read text files of KITTI or DOTA; without any text, refuse a csv of unknown columns."""
    texts = [path for path in files_in(folder, ".txt") if not per_image.is_note(path)]
    if kinds := [kind for path in texts if (kind := kitti_dota.kind_of(path))]:
        return per_image.read(per_image.of_lines(kinds[0]), texts, texts[0].parent, folder)
    csvs = files_in(folder, ".csv")
    return read_file(csvs[0], folder) if csvs and not texts else None


def _read_below(folder: Path) -> Read | None:
    """Read files of images that are only in folders below, if none is a label file of YOLO."""
    texts = (path for path in files_below(folder) if path.suffix == ".txt")
    if any(looks_like_labels(path) and not kitti_dota.kind_of(path) for path in texts):
        return None
    return per_image.read_below([folder / name for name in (*BELOW[1:], BELOW[0])], folder)


def has_annotations(folder: Path) -> bool:
    """Whether a folder has files of annotations, or text files named after its images or like labels."""
    paths = [path for path in files_below(folder) if path.is_file() and not is_junk(path, folder)]
    images = {path.stem for path in paths if path.suffix.lower() in SUFFIXES}
    return any(is_annotated(path) or (path.suffix == ".txt" and path.stem in images) for path in paths)


def unread(folder: Path, read: Container[Path]) -> list[str]:
    """A warning if there are files of annotations that are not read: in other folders, or of another kind."""
    suffixes = (".xml", ".json", ".csv", ".txt")  # in this order, as in `read_folder`
    kinds = (files_in(folder, suffix) for suffix in suffixes)
    # What is read is not read again to know its format: a file of COCO takes a minute.
    first = next((files for files in kinds if any(path in read or is_annotated(path) for path in files)), [])
    others = sorted(path for path in files_below(folder) if path.suffix.lower() in suffixes)
    others = [path for path in others if path not in first and path not in read and path.is_file()]
    found = [path for path in others if not is_junk(path, folder) and is_annotated(path)]
    return [f"files of annotations that are not read: {len(found)} ({listed(found)})"] if found else []


def is_annotated(file: Path) -> bool:
    """Whether a file is of a known format, or so broken that nobody can say."""
    suffix = file.suffix.lower()
    try:
        if suffix == ".json":
            return _json_format(content_of(file)) is not None
        if suffix == ".xml":
            return root_of(file).tag in ("annotation", "annotations")
        if suffix == ".csv":
            return table.is_known(file) or "#filename" in table.header_of(file)
    except DataError:
        return True
    return suffix == ".txt" and (looks_like_labels(file) or bool(kitti_dota.kind_of(file)))


def _read_jsons(files: Sequence[Path], folder: Path) -> Read | None:
    """The only json file of a known format, or all of labelme's; None if there is none."""
    first = content_of(files[0])
    if labelme.is_labelme(first):
        return per_image.read(per_image.LABELME, files, files[0].parent, folder)
    contents = {files[0]: first} | {file: content_of(file) for file in files[1:]}
    if of_images := [file for file, content in contents.items() if labelme.is_labelme(content)]:
        return per_image.read(per_image.LABELME, of_images, files[0].parent, folder)
    known = [file for file, content in contents.items() if _json_format(content)]
    if not known:
        return None
    file = _only(known, folder)
    found = _json_format(contents[file])
    assert found is not None
    return found.read(file, contents[file], folder)


def _only(files: Sequence[Path], folder: Path) -> Path:
    if len(files) > 1:
        raise DataError(
            f"{folder}: several files of annotations ({listed(path.name for path in files)}); give the one "
            "that is meant, or name them after train, val and test"
        )
    return files[0]


def known() -> str:
    """Names of all formats, for a message."""
    others = (voc.TOOL, cvat.TOOL, table.TOOL, table.OPEN_IMAGES, kitti_dota.KITTI, kitti_dota.DOTA)
    return ", ".join([*JSON_TOOLS, *others, "YOLO txt"])
