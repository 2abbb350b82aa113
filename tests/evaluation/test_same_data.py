"""Random small data sets of odd but legal content: read alike, and perfect predictions are perfect."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image

from kdpipe.yolo.reading import ReadImage, read_split
from tests.data.small import encoded, newer_ultralytics, perfect, picture, prepared

NAMES = [
    "a",
    "a b",
    "a.b",
    "²",
    "½",
    "007",
    "7",
    "größe",
    unicodedata.normalize("NFD", "é"),
    "x%20y",
    "[1]",
    "-",
]
FOLDERS = ["", "sub", "sub/images", "images", "linked", "a b/c"]
FORMATS = {  # by suffix: what may be in the file
    ".png": ["PNG", "JPEG", "BMP", "TIFF", "WEBP"],
    ".PNG": ["PNG"],
    ".jpg": ["JPEG", "PNG", "MPO"],
    ".JPEG": ["JPEG"],
    ".bmp": ["BMP"],
    ".tif": ["TIFF"],
    ".tiff": ["TIFF"],
    ".webp": ["WEBP"],
    ".avif": ["AVIF"],
    ".jp2": ["JPEG2000"],
}
MODES = {
    "PNG": ["RGB", "L", "RGBA", "P", "1", "I;16"],
    "TIFF": ["RGB", "L", "RGBA"],
    "BMP": ["RGB", "L"],
    "WEBP": ["RGB", "RGBA"],
}
TURNED = ["JPEG", "PNG", "TIFF", "WEBP"]
SIDES = st.integers(10, 80)
SHAPES = {"pose": [[1, 2], [2, 2], [3, 3]], "detect": [None, None, [3, 2], [2, 3]]}  # values of kpt_shape
KINDS = {  # by task: what the lines of a label file may be
    "detect": ["boxes", "outlines"],
    "segment": ["outlines"],
    "pose": ["keypoints"],
    "obb": ["corners"],
}


@dataclass(frozen=True)
class Drawn:
    """A file of a random data set, without its suffix's dot."""

    place: str
    suffix: str
    content: bytes
    label: str | None


@st.composite
def an_image(draw: st.DrawFn, seed: int) -> tuple[str, bytes]:
    suffix = draw(st.sampled_from(sorted(FORMATS)))
    kind = draw(st.sampled_from(FORMATS[suffix]))
    mode = draw(st.sampled_from(MODES.get(kind, ["RGB"])))
    image = picture(seed, draw(SIDES), draw(SIDES))
    image = Image.new(mode, image.size, 300 + seed) if mode == "I;16" else image.convert(mode)
    options: dict[str, object] = {}
    if kind in TURNED and mode in ("RGB", "L"):
        options["exif"] = Image.Exif()
        if orientation := draw(st.sampled_from([None, 1, 2, 3, 4, 5, 6, 7, 8])):
            options["exif"][0x0112] = orientation  # type: ignore[index]
    content = encoded(image, kind, **options)
    if kind == "JPEG":
        content += draw(st.sampled_from([b"", b"\0\0", b"padding"]))
    return suffix, content


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, width=32)


@st.composite
def a_label(draw: st.DrawFn, task: str, shape: list[int] | None) -> str:
    """The text of a label file, with all lines of one kind."""
    kind = draw(st.sampled_from([*KINDS[task], *(["keypoints"] if shape else [])]))
    lines = []
    for cell in draw(st.lists(st.integers(0, 8), max_size=4, unique=task != "detect")):
        left, top = cell % 3 / 3, cell // 3 / 3  # in cells, so that objects are apart
        width, height = draw(numbers(0.125, 0.25)), draw(numbers(0.125, 0.25))
        right, bottom = left + width, top + height
        values = [left + width / 2, top + height / 2, width, height]
        if kind == "outlines":
            values = [left, top, right, top, left + width / 2, bottom]
        elif kind == "corners":
            values = [left, top, right, top, right, bottom, left, bottom]
        elif kind == "keypoints" and shape:
            values += [value for _ in range(shape[0]) for value in draw(a_keypoint(shape[1]))]
        words = [draw(st.sampled_from(["{:.6f}", "{:.4e}", "{}"])).format(value) for value in values]
        lines.append(" ".join([draw(st.sampled_from(["0", "1", "1.0"])), *words]))
    repeated = lines[:1] if draw(st.booleans()) else []
    start, end = draw(st.sampled_from(["", "\ufeff", "\n"])), draw(st.sampled_from(["\n", "\r\n", " \n\n"]))
    return start + end.join([*lines, *repeated, ""])


@st.composite
def a_keypoint(draw: st.DrawFn, values: int) -> list[float]:
    return [draw(numbers(0, 1)), draw(numbers(0, 1)), draw(st.sampled_from([1, 2]))][:values]


@st.composite
def a_split(draw: st.DrawFn, task: str, shape: list[int] | None, seed: int) -> list[Drawn]:
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES)), min_size=2, max_size=5, unique=True
        )
    )
    found = []
    for number, (folder, name) in enumerate(places):
        suffix, content = draw(an_image(seed + number))
        found.append(Drawn(f"{folder}/{name}", suffix, content, draw(a_label(task, shape))))
    whole = encoded(picture(seed + 99), "PNG")
    found.append(Drawn("last", ".png", whole, draw(a_label(task, shape).filter(lambda text: "." in text))))
    if draw(st.booleans()):
        found.append(Drawn("missing", ".png", encoded(picture(seed + 98), "PNG"), None))
    return found


def write(folder: Path, splits: dict[str, list[Drawn]], shape: list[int] | None, names: list[str]) -> None:
    for split, files in splits.items():
        for kind in ("images", "labels"):
            (folder / f"elsewhere-{split}/{kind}").mkdir(parents=True)
            (folder / kind / split).mkdir(parents=True)
            (folder / kind / split / "linked").symlink_to(folder / f"elsewhere-{split}/{kind}")
        for file in files:
            image = folder / "images" / split / f"{file.place.lstrip('/')}{file.suffix}"
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(file.content)
            if file.label is not None:
                before, _, after = str(image).rpartition("/images/")
                label = Path(f"{before}/labels/{after}").with_suffix(".txt")
                label.parent.mkdir(parents=True, exist_ok=True)
                label.write_bytes(file.label.encode())
    content: dict[str, object] = {"train": "images/train", "val": "images/val", "names": names}
    content |= {"kpt_shape": shape} if shape else {}
    OmegaConf.save(OmegaConf.create(content), folder / "data.yaml")


def read(images: list[ReadImage]) -> Counter[tuple[object, ...]]:
    """Sizes and objects of images, whatever their names."""
    return Counter(
        (image.sizes["decoded"], *sorted(tuple(one.round(5)) for one in image.objects)) for image in images
    )


class_names = st.lists(
    st.text("abcNOyes 019.:#-é猫", min_size=1, max_size=5).filter(lambda name: name.strip() == name),
    min_size=2,
    max_size=2,
    unique=True,
)


@newer_ultralytics
@settings(
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "15")),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), task=st.sampled_from(["detect", *KINDS]), names=class_names)
def test_random_data_is_read_alike(data: st.DataObject, task: str, names: list[str]) -> None:
    shape = data.draw(st.sampled_from(SHAPES.get(task, [None])))
    splits = {name: data.draw(a_split(task, shape, seed)) for name, seed in (("train", 0), ("val", 1000))}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        place = Path(folder).resolve()
        patch.chdir(place)
        source = place / "mine"
        write(source, splits, shape, names)
        manifest = prepared(source, place / "out", task)
        assert manifest.names == names
        for split, files in splits.items():
            theirs = read_split(source / "data.yaml", split, task, place / "theirs.log")
            ours = read_split(place / "out/data.yaml", split, task, place / "ours.log")
            assert read(theirs.images) == read(ours.images)
            assert manifest.splits[split].images == len(theirs.images) == len(files)
        assert perfect(place / "out", "val", place)["coco/AP"] == pytest.approx(1)
