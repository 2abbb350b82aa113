"""Which image files are taken, which are refused and why, and in which size they are measured."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kdpipe.data.images import check_image, shown_size
from kdpipe.errors import DataError
from tests.data.small import encoded, huge, newer_ultralytics, perfect, picture, prepared, small_set, turned


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def chunks(png: bytes) -> Iterator[bytes]:
    start = 8
    while start < len(png):
        length = struct.unpack(">I", png[start : start + 4])[0] + 12
        yield png[start : start + length]
        start += length


def wrong_checksum() -> bytes:
    """A PNG whose pixels are whole, but not their checksum."""
    png = encoded(picture(0), "PNG")
    found = [c[:-1] + bytes([c[-1] ^ 1]) if c[4:8] == b"IDAT" else c for c in chunks(png)]
    return png[:8] + b"".join(found)


def without_end() -> bytes:
    png = encoded(picture(0), "PNG")
    return png[:8] + b"".join(c for c in chunks(png) if c[4:8] != b"IEND")


def in_32_bits(shape: tuple[int, ...]) -> bytes:
    return bytes(cv2.imencode(".tif", np.ones(shape, np.float32))[1])


REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a GIF": (
        "a.jpg",
        lambda: encoded(picture(0), "GIF"),
        "its format is GIF, which Ultralytics does not read; save",
    ),
    "an ICO": (
        "a.png",
        lambda: encoded(picture(0), "ICO"),
        "its format is ICO, which Ultralytics does not read",
    ),
    "a PPM": (
        "a.png",
        lambda: encoded(picture(0), "PPM"),
        "its format is PPM, which Ultralytics does not read",
    ),
    "a TGA": (
        "a.jpg",
        lambda: encoded(picture(0), "TGA"),
        "its format is TGA, which Ultralytics does not read",
    ),
    "a wrong checksum": ("a.png", wrong_checksum, "broken PNG file"),
    "a PNG without end": ("a.png", without_end, "PNG"),
    "half a JPEG": ("a.jpg", lambda: encoded(picture(0), "JPEG")[:900], "truncated"),
    "text": ("a.jpg", lambda: b"no image", "no image, or of an unknown format"),
    "nothing": ("a.jpg", lambda: b"", "no image, or of an unknown format"),
    "text named HEIC": ("a.heic", lambda: b"no image", "HEIF cannot be read here; convert it"),
    "a tiny image": ("a.png", lambda: encoded(picture(0, 40, 9), "PNG"), "smaller than 10 pixels: 40 x 9"),
    "a gray TIFF of 32 bits": ("a.tif", lambda: in_32_bits((20, 20)), "32 bits per channel"),
    "a colour TIFF of 32 bits": (
        "a.tif",
        lambda: in_32_bits((20, 20, 3)),
        "no image, or of an unknown format",
    ),
    "too many pixels": (
        "a.png",
        huge,
        "too large: Image size (182000000 pixels) exceeds limit of 178956970 pixels; write a smaller one",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_image_that_cannot_be_trained_on_is_refused(what: str) -> None:
    name, make, message = REFUSED[what]
    with pytest.raises(OSError, match=message.replace("(", r"\(").replace(")", r"\)")):
        check_image(make(), name, 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "I;16", "LA"])
def test_colours_are_converted(mode: str, channels: int) -> None:
    image = Image.new(mode, (20, 20)) if mode == "I;16" else picture(0).convert(mode)
    content = encoded(image, "PNG")
    assert check_image(content, "a.png", channels) == content


def test_other_channels_must_be_there() -> None:
    rgba = encoded(picture(0).convert("RGBA"), "PNG")
    assert check_image(rgba, "a.png", 4) == rgba
    with pytest.raises(OSError, match="3 channels, but the data yaml has channels: 4"):
        check_image(encoded(picture(0), "PNG"), "a.png", 4)


def test_a_jpeg_ends_with_its_end() -> None:
    """Ultralytics rewrites others in place, while it trains."""
    exif = Image.Exif()
    exif[0x9286] = b"ASCII\0\0\0" + encoded(picture(1, 16, 16), "JPEG")
    for whole in (encoded(picture(0), "JPEG"), encoded(picture(0), "JPEG", exif=exif)):
        assert check_image(whole, "a.jpg", 3) == whole
        assert check_image(whole + b"padding", "a.jpg", 3) == whole
        with pytest.raises(OSError, match="truncated"):
            check_image(whole[:-2], "a.jpg", 3)


@newer_ultralytics
@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_a_turned_image_has_the_size_that_a_model_sees(kind: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(turned(0, kind, orientation))
    assert shown_size(path) == ((48, 64) if orientation in (5, 6, 7, 8) else (64, 48))


@newer_ultralytics
@pytest.mark.parametrize(
    ("kind", "suffix"), [("TIFF", "tif"), ("WEBP", "webp"), ("JPEG", "jpg"), ("PNG", "png")]
)
def test_turned_images_are_measured_as_they_are_read(kind: str, suffix: str, tmp_path: Path) -> None:
    def turn(folder: Path) -> None:
        for index in range(3):
            (folder / f"images/val/{index}.png").unlink()
            (folder / f"images/val/{index}.{suffix}").write_bytes(turned(index, kind, 6))

    prepared(small_set(tmp_path / "mine", turn), tmp_path / "out")
    assert perfect(tmp_path / "out", "val", tmp_path)["coco/AP"] == pytest.approx(1)


NAMES = ["²", "½", "四", "٣", "007", "a.b", ".hidden", "größe", "a b", "IMG[1]", "-x", "images"]


def test_names_of_all_kinds_are_prepared(tmp_path: Path) -> None:
    """Ultralytics takes `²` for a number, and skips hidden files."""

    def rename(folder: Path) -> None:
        names = []
        for index, name in enumerate(NAMES):
            (folder / f"images/val/{name}.png").write_bytes(encoded(picture(index), "PNG"))
            (folder / f"labels/val/{name}.txt").write_text(f"0 0.5 0.5 0.4 0.{index + 1}\n")
            names.append(f"./images/val/{name}.png\n")
        (folder / "val.txt").write_text("".join(names), encoding="utf-8")

    manifest = prepared(small_set(tmp_path / "mine", rename, val="val.txt"), tmp_path / "out")
    assert manifest.splits["val"].objects == len(NAMES)
    stems = [path.stem for path in (tmp_path / "out/images/val").iterdir()]
    assert all(int(stem) >= 0 for stem in stems if stem.isnumeric())
    assert perfect(tmp_path / "out", "val", tmp_path)["coco/AP"] == pytest.approx(1)


def test_nothing_is_read_forever(tmp_path: Path) -> None:
    """A pipe, and a link to a file without end."""

    def pipe(folder: Path) -> None:
        os.mkfifo(folder / "images/val/pipe.png")
        (folder / "images/val/zero.png").symlink_to("/dev/zero")
        (folder / "images/val/gone.png").symlink_to("nowhere.png")

    began = time.monotonic()
    source = small_set(tmp_path / "mine", pipe)
    with pytest.raises(
        DataError, match="images that are missing, broken links or no regular files: 3 of 6"
    ) as error:
        prepared(source, tmp_path / "out")
    assert "pipe.png" in str(error.value)
    assert time.monotonic() - began < 10


def test_a_name_of_other_bytes_is_refused(tmp_path: Path) -> None:
    source = small_set(tmp_path / "mine")
    (source / "images/val/1.png").rename(source / "images/val" / os.fsdecode(b"gr\xf6\xdfe.png"))
    with pytest.raises(DataError, match="file names that are not UTF-8; rename them: ") as error:
        prepared(source, tmp_path / "out")
    assert r"images/val/gr\xf6\xdfe.png" in str(error.value)
    str(error.value).encode()


@pytest.mark.parametrize("kind", ["GIF", "ICO", "PPM", "TGA"])
def test_what_ultralytics_drops_is_named(kind: str, tmp_path: Path) -> None:
    def replace(folder: Path) -> None:
        (folder / "images/val/0.png").write_bytes(encoded(picture(0), kind))

    with pytest.raises(DataError, match="unreadable images: 1") as error:
        prepared(small_set(tmp_path / "mine", replace), tmp_path / "out")
    assert f"images/val/0.png: its format is {kind}, which Ultralytics does not read" in str(error.value)
