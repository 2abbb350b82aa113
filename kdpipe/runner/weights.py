"""Start weights and finished checkpoints: finding them, and looking into them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ultralytics.nn.tasks import load_checkpoint
from ultralytics.utils.downloads import attempt_download_asset
from ultralytics.utils.torch_utils import get_flops

from kdpipe.errors import KdpipeError
from kdpipe.paths import project_root
from kdpipe.zoo import DEFAULT_IMGSZ, ModelName, parse


@dataclass(frozen=True)
class Weights:
    """What a checkpoint says of itself."""

    model: ModelName
    names: list[str]
    parameters: int
    gflops: float


def inspect(path: Path, imgsz: int = DEFAULT_IMGSZ) -> Weights:
    """Read what a checkpoint contains; `gflops` are of one image of this size.

    Raises:
        KdpipeError: if it is no Ultralytics checkpoint of a model that can be distilled.
    """
    try:
        model, _ = load_checkpoint(path)
        yaml = model.yaml
        stem = Path(yaml["yaml_file"]).stem
    except Exception as error:
        raise KdpipeError(f"{path}: not a checkpoint of Ultralytics: {error}") from error
    return Weights(
        model=_architecture(path, stem, str(yaml.get("scale", ""))),
        names=[str(name) for name in model.names.values()],
        parameters=sum(p.numel() for p in model.parameters()),
        gflops=round(float(get_flops(model, imgsz)), 3),
    )


def released(model: ModelName) -> Path:
    """The weights that Ultralytics publishes for a model, downloaded to weights/ if missing.

    Raises:
        KdpipeError: if they cannot be downloaded.
    """
    path = project_root() / "weights" / f"{model}.pt"
    path.parent.mkdir(exist_ok=True)
    if not path.is_file():
        try:
            attempt_download_asset(path)
        except Exception as error:
            raise KdpipeError(
                f"the released weights of {model} could not be downloaded ({error}); "
                f"put them into weights/{path.name} by hand"
            ) from error
    return path


def _architecture(path: Path, stem: str, scale: str) -> ModelName:
    """The name behind a model yaml: released checkpoints name theirs with or without the size."""
    for name in (stem, *(_with_size(stem, scale) if scale else ())):
        try:
            return parse(name)
        except ValueError:
            continue
    raise KdpipeError(f"{path}: {stem} (size {scale or 'unknown'}) is no model that can be distilled")


def _with_size(stem: str, scale: str) -> list[str]:
    head, dash, suffix = stem.partition("-")
    return [f"{head}{scale}{dash}{suffix}"]
