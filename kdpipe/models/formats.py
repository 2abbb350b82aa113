"""Formats that students are exported to, under Ultralytics' names."""

from __future__ import annotations

from dataclasses import dataclass

from kdpipe.errors import did_you_mean
from kdpipe.models.names import HEADS

FLOAT32, FLOAT16, INT8 = 32, 16, 8  # bits


@dataclass(frozen=True)
class Format:
    """A format in one precision, such as `openvino-int8`.

    `argument` is its name in Ultralytics, `bits` are those of a weight, `packages` are the ones that
    exporting and running it need. `gpu` says that it needs one; `heads` are those that it can hold.
    """

    name: str
    argument: str
    bits: int
    packages: tuple[str, ...] = ()
    gpu: bool = False
    heads: tuple[str, ...] = HEADS

    @property
    def quantize(self) -> int | None:
        """Ultralytics' export argument `quantize`; None is the precision of the checkpoint."""
        return None if self.bits == FLOAT32 else self.bits

    @property
    def computes(self) -> int:
        """Bits that it computes with: OpenVINO takes 16 where a processor has instructions for them."""
        return min(self.bits, FLOAT16) if self.argument == "openvino" else self.bits

    @property
    def of_quantized(self) -> bool:
        """Whether Ultralytics exports a student to it that was trained with `quantize`."""
        return self.bits == INT8 and self.argument in ("onnx", "engine")

    @property
    def calibrated(self) -> bool:
        """Whether an export looks at images, to choose the ranges of integers."""
        return self.bits == INT8


_ALL = (
    Format("torchscript", "torchscript", FLOAT32),
    Format("onnx", "onnx", FLOAT32, ("onnx", "onnxruntime")),
    Format("onnx-int8", "onnx", INT8, ("onnx", "onnxruntime")),
    Format("openvino", "openvino", FLOAT32, ("openvino",)),
    Format("openvino-fp16", "openvino", FLOAT16, ("openvino",)),
    Format("openvino-int8", "openvino", INT8, ("openvino", "nncf")),
    Format("tensorrt", "engine", FLOAT32, ("tensorrt", "onnx"), gpu=True),
    Format("tensorrt-fp16", "engine", FLOAT16, ("tensorrt", "onnx"), gpu=True),
    Format("tensorrt-int8", "engine", INT8, ("tensorrt", "onnx", "nvidia-modelopt"), gpu=True),
    Format("ncnn", "ncnn", FLOAT32, ("ncnn", "pnnx"), heads=("nms",)),
    Format("ncnn-fp16", "ncnn", FLOAT16, ("ncnn", "pnnx"), heads=("nms",)),
)
FORMATS = {found.name: found for found in _ALL}


def format_of(name: str) -> Format:
    """Return a format by its name.

    Raises:
        ValueError: if there is none; suggests the nearest name.
    """
    if name not in FORMATS:
        raise ValueError(f"{name!r} is no format; {did_you_mean(name, FORMATS)}")
    return FORMATS[name]
