"""Contents of a checkpoint, as read from the file."""

from __future__ import annotations

from dataclasses import dataclass

from kdpipe.models.names import ModelName


@dataclass(frozen=True)
class Weights:
    """Properties of a checkpoint.

    Attributes:
        model: Its architecture.
        names: Class names, ordered by class id.
        channels: Channels of the input images.
        parameters: Number of parameters.
        gflops: GFLOPs for one image of the requested size.
        unfinished: Whether it is from a training that has not finished.
        quantized: Whether it is from a training with simulated INT8.
        data: Data yaml of its training; None if unknown.
        imgsz: Image size of its training in pixels; None if unknown.
    """

    model: ModelName
    names: list[str]
    channels: int
    parameters: int
    gflops: float
    unfinished: bool
    quantized: bool
    data: str | None
    imgsz: int | None
