"""Exported files: which head they have, whether they compute what their checkpoint computes, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kdpipe.errors import KdpipeError
from kdpipe.models.names import HEADS
from kdpipe.yolo.batch_statistics import batches, training_images
from kdpipe.yolo.log import log_to
from kdpipe.yolo.validation import opened

COMPARED = 16  # images on which a file must compute what its checkpoint computes
ROWS = 300  # predictions of an image that are compared, the surest ones
TOP = 20  # of these, whose scores must agree
BOX = 4  # columns of a prediction before its score
WARMUP, RUNS = 5, 50  # of one image, to measure its time
# Largest mean difference of the best scores, and largest median distance of a box as a share of the image.
TOLERANCE = {32: (1e-3, 1e-3), 16: (0.02, 0.005), 8: (0.15, 0.05)}

Runs = Callable[[Tensor], Tensor]
Predictions = NDArray[np.float32]


@dataclass(frozen=True)
class Difference:
    """How far the predictions of two models on the same images are apart.

    `score` is the mean difference of their best scores, `box` the median distance from a box to the nearest
    one of its class, as a share of the image.
    """

    score: float
    box: float

    def within(self, bits: int) -> bool:
        """Whether weights of so many bits explain it."""
        score, box = TOLERANCE[bits]
        return self.score <= score and self.box <= box

    def __str__(self) -> str:
        """Both numbers."""
        return f"scores differ by {self.score:.4f}, boxes by {100 * self.box:.2f} % of the image"


def check_exported(
    file: Path, weights: Path, head: str, bits: int, images: Sequence[Tensor], *, device: str, log: Path
) -> Difference:
    """Prove that an exported file is this head of its checkpoint.

    Args:
        file: The exported file or folder.
        weights: The checkpoint that it was made of.
        head: The head that it should have.
        bits: Bits of its weights, which say how far it may differ.
        images: Images, (1, channels, side, side) each, from 0 to 1.
        device: Where the exported file runs.
        log: Log file for Ultralytics' output.

    Returns:
        The difference of their predictions.

    Raises:
        KdpipeError: if it has another head, or differs by more than its precision explains.
    """
    run = loaded(file, device, log)
    outputs = [run(image) for image in images]
    classes, checkpoint = _head_of(weights, head)
    expected = [checkpoint(image) for image in images]
    if _columns(head, outputs[0]) != _columns(head, expected[0]):
        raise KdpipeError(f"{file} has not the {head} head: its output is {tuple(outputs[0].shape)}")
    difference = difference_of(
        [predictions(head, output, classes) for output in expected],
        [predictions(head, output, classes) for output in outputs],
        side=images[0].shape[-1],
    )
    if not difference.within(bits):
        raise KdpipeError(f"{file} computes something else than {weights}: {difference}")
    return difference


def sample_images(data: Path, side: int) -> list[Tensor]:
    """Some training images, always the same ones, (1, channels, side, side) each.

    Args:
        data: The data yaml of the prepared data set.
        side: Side of the square that they are letterboxed to, in pixels.
    """
    paths, channels = training_images(data)
    return [image[None] for batch in batches(paths[:COMPARED], channels, side) for image in batch]


def loaded(file: Path, device: str, log: Path) -> Runs:
    """Open an exported file with its runtime.

    Raises:
        KdpipeError: if the runtime cannot open it.
    """
    from ultralytics.nn.autobackend import AutoBackend
    from ultralytics.utils.torch_utils import select_device

    with log_to(log):
        place = select_device(device)
        try:
            model = AutoBackend(str(file), device=place)
        except Exception as error:  # every runtime raises its own
            raise KdpipeError(f"{file} cannot be opened: {error}; see {log}") from error

    def run(image: Tensor) -> Tensor:
        found = _first(model(image.to(place)))
        if found.is_cuda:
            torch.cuda.synchronize()
        return found

    return run


def milliseconds(run: Runs, image: Tensor) -> tuple[float, float, float]:
    """Return the time of one image: lower quartile, median and upper quartile.

    Args:
        run: A model.
        image: The image, (1, channels, side, side).
    """
    times = []
    for number in range(WARMUP + RUNS):
        began = time.perf_counter()
        run(image)
        if number >= WARMUP:
            times.append(1000 * (time.perf_counter() - began))
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def predictions(head: str, output: Tensor, classes: int) -> Predictions:
    """Return the surest predictions of an image, as (rows, 6): box, score and class.

    Args:
        head: The head that computed them.
        output: (1, rows, 6 and more) of the end-to-end head, (1, 4 + classes and more, places) of the other.
        classes: Number of classes.
    """
    found = output[0].float().cpu()
    if head == "nms":
        scores, which = found[BOX : BOX + classes].max(dim=0)
        found = torch.cat([found[:BOX].T, scores[:, None], which[:, None].float()], dim=1)
    order = found[:, BOX].argsort(descending=True)[:ROWS]
    return np.asarray(found[order, : BOX + 2].numpy())


def difference_of(expected: Sequence[Predictions], got: Sequence[Predictions], side: int) -> Difference:
    """Return how far predictions are apart, of the same images in the same order.

    Args:
        expected: Of each image, as from `predictions`.
        got: Those of the other model.
        side: Side of the images in pixels.
    """
    scores: list[float] = []
    boxes: list[float] = []
    for ours, theirs in zip(expected, got, strict=True):
        best = min(len(ours), len(theirs), TOP)
        scores += np.abs(ours[:best, BOX] - theirs[:best, BOX]).tolist()
        for row in ours[:best]:
            same = theirs[theirs[:, BOX + 1] == row[BOX + 1], :BOX]
            distances = np.abs(same - row[:BOX]).max(axis=1)
            boxes.append(float(distances.min(initial=side)) / side)
    return Difference(float(np.mean(scores)), float(np.median(boxes)))


def _head_of(weights: Path, head: str) -> tuple[int, Runs]:
    """The number of classes of a checkpoint, and one of its heads."""
    model: Any = opened(weights).model
    model.float().eval()
    model.end2end = head == HEADS[0]
    model.fuse(verbose=False)

    def run(image: Tensor) -> Tensor:
        with torch.no_grad():
            return _first(model(image))

    return len(model.names), run


def _first(output: Any) -> Tensor:
    """The predictions, of outputs that have masks or features too, in whatever order of nesting."""
    while isinstance(output, list | tuple):
        output = output[0]
    return torch.as_tensor(output)


def _columns(head: str, output: Tensor) -> int:
    """Numbers per prediction, which tell the heads apart."""
    return int(output.shape[-1 if head == HEADS[0] else -2])
