"""Read a prepared data set as a training does, with Ultralytics' own data set class."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdpipe.errors import DataError, KdpipeError, counted
from kdpipe.yolo.hermetic import configure, cpu_threads
from kdpipe.yolo.log import log_to

SIDE = 32  # pixels; images are read in this size, as only the original size is compared

Size = tuple[int, int]


@dataclass(frozen=True)
class ReadImage:
    """An image as Ultralytics reads it.

    Attributes:
        name: File name.
        sizes: Width and height in pixels, by what they are used for.
        problem: Why it cannot be trained on, or an empty text.
        objects: An array per object: class id, box (x, y, width, height) as shares of the image, and points:
            outline or corners (x, y), or keypoints (x, y, and 1 if it is labelled, or else 0).
    """

    name: str
    sizes: dict[str, Size]
    problem: str
    objects: list[NDArray[np.float64]]


@dataclass(frozen=True)
class ReadSplit:
    """Class names and images of a split."""

    names: list[str]
    images: list[ReadImage]


def read_split(data: Path, split: str, task: str, log: Path) -> ReadSplit:
    """Read all labels and images of a split.

    Args:
        data: The data yaml of the prepared data set.
        split: Name of the split.
        task: Task of the labels.
        log: Log file for Ultralytics' output.

    Raises:
        DataError: if Ultralytics cannot read the split at all.
    """
    configure()
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.nn.autobackend import check_class_names
    from ultralytics.utils import YAML

    data = data.resolve()
    fields = YAML.load(data)
    names = check_class_names(fields["names"])
    fields |= {"names": names, "nc": len(names), "channels": fields.get("channels", 3)}
    images = data.parent / fields[split]
    with log_to(log):
        try:
            options = get_cfg(overrides={"task": task, "imgsz": SIDE, "cache": False})
            found = build_yolo_dataset(options, str(images), batch=1, data=fields, mode="val")
        except Exception as error:  # Ultralytics raises whatever its checks raise
            raise DataError(f"Ultralytics cannot read {images}: {error}") from error
        finally:
            (data.parent / "labels" / split).with_suffix(".cache").unlink(missing_ok=True)
        with ThreadPool(cpu_threads()) as pool:
            read = pool.map(lambda index: _read(found, index, task), range(len(found.labels)))
    return ReadSplit(list(names.values()), read)


def count_images(loader: Any, split: str, expected: int) -> None:
    """Refuse to go on with other images than were prepared, or than the share of them that was asked for.

    Args:
        loader: Ultralytics' data loader of the split.
        split: Name of the split.
        expected: Number of images that were prepared.

    Raises:
        KdpipeError: if Ultralytics reads more or fewer images.
    """
    read, fraction = len(loader.dataset), loader.dataset.fraction
    wanted = min(fraction, expected) if isinstance(fraction, int) else max(1, round(expected * fraction))
    if read != wanted:
        raise KdpipeError(
            f"Ultralytics reads {counted(read, 'image')} for {split}, but {counted(wanted, 'was', 'were')} "
            "prepared: the data set has changed since; run `dvc repro --force --single-item prepare`, then "
            "`dvc repro`"
        )


def decoded_size(path: Path) -> Size:
    """Width and height in pixels of an image that Ultralytics has decoded.

    Raises:
        OSError: if Ultralytics cannot decode it.
    """
    from ultralytics.utils.patches import imread

    image = imread(path)
    if image is None:
        raise OSError("Ultralytics cannot read it; save it as PNG or JPEG")
    return int(image.shape[1]), int(image.shape[0])


def _read(found: Any, index: int, task: str) -> ReadImage:
    label = found.labels[index]
    path, (height, width) = Path(label["im_file"]), label["shape"]
    sizes = {"in its header": (int(width), int(height))}
    problem = ""
    try:
        pixels, (height, width), _ = found.load_image(index)
        sizes["decoded"] = (int(width), int(height))
        if pixels.dtype != np.uint8:
            problem = f"has pixels of type {pixels.dtype}; save it with 8 bits per channel"
        elif pixels.shape[2] != found.channels:
            channels = counted(pixels.shape[2], "channel")
            problem = f"has {channels}, but the data yaml has channels: {found.channels}"
    except Exception as error:  # OpenCV's decoders raise errors of their own
        problem = f"cannot be decoded ({error}); save it as PNG or JPEG"
    return ReadImage(path.name, sizes, problem, _objects(label, task))


def _objects(label: dict[str, Any], task: str) -> list[NDArray[np.float64]]:
    boxes = [np.concatenate(row) for row in zip(label["cls"], label["bboxes"], strict=True)]
    points: list[Any] = [()] * len(boxes)
    if task == "pose":
        points = [np.column_stack([own[:, :2], own[:, 2] > 0]) for own in label["keypoints"]]
    elif task != "detect":
        points = label["segments"]
    pairs = zip(boxes, points, strict=True)
    return [np.concatenate([box, np.ravel(own)]).astype(float) for box, own in pairs]
