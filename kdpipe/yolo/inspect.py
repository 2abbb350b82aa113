"""Read the properties of checkpoints, and download released ones."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import nn
from ultralytics.nn import modules
from ultralytics.nn.distill_model import DistillationModel
from ultralytics.nn.tasks import load_checkpoint
from ultralytics.utils.downloads import attempt_download_asset
from ultralytics.utils.torch_utils import get_flops

from kdpipe.errors import KdpipeError
from kdpipe.models.names import DEFAULT_IMGSZ, ModelName, of_file, parse
from kdpipe.models.own_yaml import ACTIVATION
from kdpipe.models.weights import Weights
from kdpipe.paths import weights_dir


def inspect(path: Path, imgsz: int = DEFAULT_IMGSZ) -> Weights:
    """Read the properties of a trusted checkpoint; `gflops` is for one image of `imgsz` pixels.

    Raises:
        KdpipeError: if it is not an Ultralytics checkpoint of a model that can be distilled.
    """
    try:
        model, checkpoint = load_checkpoint(path)
        yaml, trained = model.yaml, checkpoint.get("train_args") or {}
        stem = Path(yaml["yaml_file"]).stem
    except Exception as error:
        raise KdpipeError(f"{path}: not a checkpoint of Ultralytics: {error}") from error
    _check_layers(path, yaml)
    if isinstance(model, DistillationModel):
        raise KdpipeError(f"{path}: a distillation in progress; take best.pt of a finished one")
    return Weights(
        model=_architecture(path, stem, str(yaml.get("scale", ""))),
        names=[str(name) for name in model.names.values()],
        channels=int(next(model.parameters()).shape[1]),
        parameters=sum(p.numel() for p in model.parameters()),
        gflops=round(float(get_flops(model, imgsz)), 3),
        fused=not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()),
        unfinished=checkpoint.get("optimizer") is not None,
        data=str(trained["data"]) if trained.get("data") else None,
        imgsz=int(trained["imgsz"]) if trained.get("imgsz") else None,
    )


def _check_layers(path: Path, yaml: Mapping[str, Any]) -> None:
    """Reject a checkpoint whose model yaml, from which a student is built, names anything but layers.

    Ultralytics evaluates its activation as code, and calls its layers by name
    (`ultralytics.nn.tasks.parse_model`).
    """
    named = {str(layer[2]) for part in ("backbone", "head") for layer in yaml.get(part, ())}
    odd = [name for name in named if not _is_layer(name)]
    activation = yaml.get("activation")
    if activation and not ACTIVATION.fullmatch(str(activation)):
        odd.append(str(activation))
    if odd:
        raise KdpipeError(f"{path} is more than a model: building it would run {', '.join(sorted(odd))}")


def _is_layer(name: str) -> bool:
    found = getattr(nn, name[3:], None) if name.startswith("nn.") else getattr(modules, name, None)
    return isinstance(found, type) and issubclass(found, nn.Module)


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


def _architecture(path: Path, stem: str, scale: str) -> ModelName:
    """Model name from the model yaml of a checkpoint; released ones name it with or without the size."""
    head, dash, suffix = stem.partition("-")
    stems = (stem, f"{head}{scale}{dash}{suffix}")
    for name in stems:
        with suppress(ValueError):
            return parse(name)
    for name in stems:
        with suppress(ValueError):
            return of_file(f"{name}.yaml")
    raise KdpipeError(f"{path}: {stem} (size {scale or 'unknown'}) is no model that can be distilled")
