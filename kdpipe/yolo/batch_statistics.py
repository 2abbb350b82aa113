"""Means and variances of a checkpoint's BatchNorm layers, computed anew on training images.

A training keeps moving averages of them, which lag behind weights that still move fast; the model is then
measured with statistics of other weights (S. Ioffe and C. Szegedy, "Batch Normalization", ICML 2015; anew as
in Y. Wu and J. Johnson, "Rethinking 'Batch' in BatchNorm", 2021, arXiv:2105.07576, section 3).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kdpipe.errors import KdpipeError
from kdpipe.yolo.device import device as device_of
from kdpipe.yolo.hermetic import configure
from kdpipe.yolo.log import log_to

if TYPE_CHECKING:
    from ultralytics import YOLO

BATCHES, BATCH = 40, 8  # at most so many batches, of so many images; of large data sets no more is read
RGB = 3  # channels
SEED = 0  # of the choice of images, the same for every checkpoint
FEWEST_IMAGES = 2  # in a batch, as a variance of one value is none


def with_statistics_anew(given: YOLO, data: Path, *, imgsz: int, device: object, log: Path) -> YOLO | None:
    """Copy a model with BatchNorm statistics of its training images; all weights are the same.

    Args:
        given: The model, which stays as it is.
        data: The data yaml of the prepared data set.
        imgsz: Image size in pixels.
        device: Device as in params.yaml; `auto` is the first GPU, or else the CPU.
        log: Log file for Ultralytics' output.

    Returns:
        The copy; None if the model has no BatchNorm layer (as after fusing) or there is only one image.

    Raises:
        KdpipeError: if an image cannot be read.
    """
    configure()
    from ultralytics.utils.checks import check_imgsz
    from ultralytics.utils.torch_utils import select_device

    images, channels = training_images(data)
    if not batch_norms(given.model) or len(images) < FEWEST_IMAGES:
        return None
    copied = deepcopy(given)
    model = copied.model.float()
    with log_to(log):
        place = select_device(device_of(device))
        side = check_imgsz(imgsz, stride=model.stride, max_dim=1)
    compute_anew(model.to(place), (batch.to(place) for batch in batches(images, channels, side)))
    return copied


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """BatchNorm layers that normalise by stored statistics."""
    return [one for one in model.modules() if isinstance(one, _BatchNorm) and one.track_running_stats]


def compute_anew(model: nn.Module, given: Iterable[Tensor]) -> None:
    """Replace the statistics of all BatchNorm layers by their means over batches, in one pass.

    Layers that the batches do not reach, such as those of a branch for training only, keep theirs.

    Args:
        model: The model, in eval mode.
        given: Batches of images, (n, channels, height, width) each, on the device of the model.
    """
    layers = batch_norms(model)
    before = [(deepcopy(layer.state_dict()), layer.momentum) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()  # also gets rid of values that are not finite
        layer.momentum = None  # the mean over all batches
        layer.train()
    with torch.no_grad():
        for batch in given:
            model(batch)
    for layer, (stored, momentum) in zip(layers, before, strict=True):
        if not layer.num_batches_tracked:
            layer.load_state_dict(stored)
        layer.momentum = momentum
        layer.eval()


def training_images(data: Path) -> tuple[list[Path], int]:
    """Choose images of the training split, always the same ones.

    Args:
        data: The data yaml of the prepared data set.

    Returns:
        Paths in a random order: all of them, or those of `BATCHES` batches; and their number of channels.
    """
    from ultralytics.data.utils import IMG_FORMATS
    from ultralytics.utils import YAML

    fields = YAML.load(data)
    folder = data.resolve().parent / fields["train"]
    names = sorted(path.name for path in folder.iterdir() if path.suffix[1:].lower() in IMG_FORMATS)
    chosen = random.Random(SEED).sample(names, min(len(names), BATCHES * BATCH))  # noqa: S311
    return [folder / name for name in chosen], int(fields.get("channels", RGB))


def batches(images: Sequence[Path], channels: int, side: int) -> Iterator[Tensor]:
    """Yield batches of images as a training without augmentation gets them.

    A rest of less than `BATCH` images is left out, unless there are no more images: every batch counts the
    same in the statistics.

    Args:
        images: Paths of the images.
        channels: Number of channels of the images.
        side: Side of the square that they are letterboxed to, in pixels.

    Yields:
        Batches, (n, channels, side, side), RGB, from 0 to 1.

    Raises:
        KdpipeError: if an image cannot be read.
    """
    whole = len(images) // BATCH * BATCH or len(images)
    for start in range(0, whole, BATCH):
        pixels = [_read(path, channels, side) for path in images[start : min(start + BATCH, whole)]]
        yield torch.from_numpy(np.stack(pixels)).float() / 255


def _read(path: Path, channels: int, side: int) -> NDArray[np.uint8]:
    """An image as (channels, side, side) of bytes, RGB."""
    import cv2
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils.patches import imread

    kinds = {1: cv2.IMREAD_GRAYSCALE, RGB: cv2.IMREAD_COLOR}
    image = imread(path, flags=kinds.get(channels, cv2.IMREAD_UNCHANGED))
    if image is None:
        raise KdpipeError(f"{path}: Ultralytics cannot read it")
    pixels = LetterBox((side, side))(image=image).transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[::-1] if channels == RGB else pixels)  # OpenCV reads BGR
