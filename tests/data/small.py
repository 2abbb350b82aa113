"""A small data set of the user, to be spoilt by tests, and predictions that find all of it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from kdpipe.data.manifest import Manifest
from kdpipe.data.prepare import prepare
from kdpipe.evaluation import evaluate, load_predictions, load_truth, save_predictions
from kdpipe.evaluation.agreement import check_agreement
from kdpipe.params.schema import Data, Digits
from kdpipe.yolo.reading import ReadImage, read_split

WIDTH, HEIGHT = 64, 48
LABEL = "0 0.5 0.5 0.4 0.4\n1 0.2 0.2 0.2 0.2\n"
Change = Callable[[Path], object]


def _reads_as_of(version: tuple[int, ...]) -> bool:
    """Whether Ultralytics reads labels and images as of this version of its label cache, or later."""
    spec = find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "data/dataset.py").read_text()
    found = re.search(r'DATASET_CACHE_VERSION = "([\d.]+)"', text)
    return found is not None and tuple(map(int, found[1].split("."))) >= version


# Before, sizes of turned images were those of a JPEG only, and labels had no byte-order mark.
newer_ultralytics = pytest.mark.skipif(
    not _reads_as_of((1, 0, 12)),
    reason="reads odd files in another way, which prepare refuses",
)


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def huge() -> bytes:
    """A PNG of 14000 x 13000 gray pixels, of a few hundred kilobytes."""
    packed = zlib.compressobj(9)
    rows = b"".join(packed.compress(bytes(14001)) for _ in range(13000)) + packed.flush()
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 14000, 13000, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    found = b"\x89PNG\r\n\x1a\n"
    for kind, content in parts:
        checksum = zlib.crc32(kind + content)
        found += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    return found


def turned(seed: int, kind: str, orientation: int) -> bytes:
    """An image file with an orientation tag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(seed), kind, exif=exif)


def small_set(folder: Path, change: Change = bool, **yaml: object) -> Path:
    """Three images of 64 x 48 pixels in train and in val, with a cat and a dog each, spoilt by a change."""
    for number, split in enumerate(("train", "val")):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for index in range(3):
            picture(10 * number + index).save(folder / f"images/{split}/{index}.png")
            (folder / f"labels/{split}/{index}.txt").write_text(LABEL)
    content = {"train": "images/train", "val": "images/val", "names": {0: "cat", 1: "dog"}, **yaml}
    OmegaConf.save(OmegaConf.create(content), folder / "data.yaml")
    change(folder)
    return folder


def prepared(source: Path, out: Path, task: str = "detect") -> Manifest:
    """Prepare a data set, and compare it with what Ultralytics reads."""
    manifest = prepare(Data(source=str(source), task=task, digits=Digits()), out)
    check_agreement(out)
    return manifest


def perfect(out: Path, split: str, folder: Path) -> dict[str, float]:
    """The metrics of predictions that are what Ultralytics reads."""
    truth = load_truth(out, split)
    read = read_split(out / "data.yaml", split, truth.task, folder / "read.log")
    save_predictions(
        [entry for image in read.images for entry in predictions(image)],
        truth.task,
        folder / "perfect.parquet",
    )
    return evaluate(truth, load_predictions(folder / "perfect.parquet"), resamples=2, seed=0)[0]


def predictions(image: ReadImage) -> list[dict[str, object]]:
    width, height = image.sizes["decoded"]
    found = []
    for values in image.objects:
        x, y, w, h = values[1:5] * (width, height, width, height)
        box = [x - w / 2, y - h / 2, w, h]
        found.append({"file_name": image.name, "category_id": int(values[0]) + 1, "score": 0.9, "bbox": box})
    return found
