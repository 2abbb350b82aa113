"""What a checkpoint says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from kdpipe.models.names import ModelName


@dataclass(frozen=True)
class Weights:
    """What a checkpoint says of itself.

    `channels` are those of its images; `fused` says that its normalisation is gone, `unfinished` that it
    holds a training that has not ended. `data` and `imgsz` are those of its training, None where
    unknown; `gflops` are of one image of the size that was asked for.
    """

    model: ModelName
    names: list[str]
    channels: int
    parameters: int
    gflops: float
    fused: bool
    unfinished: bool
    data: str | None
    imgsz: int | None
