"""Read the properties of checkpoints, and download released ones."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ultralytics.utils.downloads import attempt_download_asset
from ultralytics.utils.torch_utils import get_flops

from kdpipe.errors import KdpipeError
from kdpipe.models.names import DEFAULT_IMGSZ, ModelName, of_file, parse
from kdpipe.models.weights import Weights
from kdpipe.paths import weights_dir
from kdpipe.yolo.backbone import inspect_backbone
from kdpipe.yolo.rebuild import contents_of, rebuilt

FUSED = (
    "is fused (its normalisation is gone, as in an export), so it can neither learn nor teach; take the "
    "checkpoint that its training saved"
)


def inspect(path: Path, imgsz: int = DEFAULT_IMGSZ) -> Weights:
    """Read the properties of a checkpoint; `gflops` is for one image of `imgsz` pixels.

    Nothing of the file is run: measured is a model that is built afresh.

    Raises:
        KdpipeError: if it is not an Ultralytics checkpoint of a model that can be distilled.
    """
    contents = contents_of(path)
    architecture = _architecture(path, contents.yaml)
    if not any(name.startswith("BatchNorm") for name in contents.tree.classes.values()):
        raise KdpipeError(f"{path} {FUSED}")
    model, trained = rebuilt(path, contents).float().eval(), contents.values["train_args"]
    return Weights(
        model=architecture,
        names=[str(name) for name in model.names.values()],
        channels=int(next(model.parameters()).shape[1]),
        parameters=sum(p.numel() for p in model.parameters()),
        gflops=round(float(get_flops(model, imgsz)), 3),
        unfinished=contents.unfinished,
        quantized=contents.quantized is not None,
        data=str(trained["data"]) if trained.get("data") else None,
        imgsz=int(trained["imgsz"]) if trained.get("imgsz") else None,
    )


def inspected_as(architecture: ModelName, path: Path, imgsz: int) -> Weights:
    """Read the properties of weights: a checkpoint of Ultralytics, or a backbone of timm.

    Args:
        architecture: What they are of.
        path: The file.
        imgsz: Side of an image in pixels, for `gflops`.

    Raises:
        KdpipeError: if they are not.
    """
    if architecture.backbone:
        return inspect_backbone(architecture, path, imgsz)
    return inspect(path, imgsz)


def released(name: str) -> Path:
    """Path of a file that Ultralytics released (such as `yolo26n.pt`), downloaded to weights/ if missing.

    Raises:
        KdpipeError: if the download fails.
    """
    path = weights_dir() / name
    path.parent.mkdir(exist_ok=True)
    if not path.is_file():
        try:
            attempt_download_asset(path)
        except Exception as error:
            raise _missing(name, error) from error
        if not path.is_file():
            raise _missing(name, "no such file is released")
    return path


def _missing(name: str, reason: object) -> KdpipeError:
    return KdpipeError(f"{name} could not be downloaded ({reason}); put it into weights/ by hand")


def _architecture(path: Path, yaml: Mapping[str, Any]) -> ModelName:
    """Model name from the model yaml of a checkpoint; released ones name it with or without the size."""
    stem, scale = Path(yaml["yaml_file"]).stem, str(yaml.get("scale", ""))
    head, dash, suffix = stem.partition("-")
    stems = (stem, f"{head}{scale}{dash}{suffix}")
    for name in stems:
        with suppress(ValueError):
            return parse(name)
    for name in stems:
        with suppress(ValueError):
            return of_file(f"{name}.yaml")
    raise KdpipeError(f"{path}: {stem} (size {scale or 'unknown'}) is no model that can be distilled")
