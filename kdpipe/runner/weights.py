"""Start weights and finished checkpoints: finding them, and looking into them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ultralytics.nn.tasks import load_checkpoint
from ultralytics.utils.downloads import attempt_download_asset
from ultralytics.utils.torch_utils import get_flops

from kdpipe.errors import KdpipeError
from kdpipe.paths import project_root
from kdpipe.published import SHA256
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


def check_digest(path: Path, sha256: str | None, *, must_be_known: bool) -> None:
    """Refuse a file before it is opened: a checkpoint is a pickle, which runs code when it is read.

    Args:
        path: The file.
        sha256: The digest that the user expects, or None.
        must_be_known: Whether a file without an expected or a known digest is refused too.

    Raises:
        KdpipeError: if it is another file than expected, or an unknown one.
    """
    expected = sha256 or (SHA256.get(path.name) if must_be_known else None)
    if expected is None and not must_be_known:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is None:
        raise KdpipeError(
            f"no digest of {path.name} is known, and opening a checkpoint runs what is in it; "
            f"if you trust this file, write beside it sha256: {found}"
        )
    if found != expected.lower():
        raise KdpipeError(f"{path} is not the expected file: its sha256 is {found}, not {expected}")


def released(name: str) -> Path:
    """A file that Ultralytics publishes (such as `yolo26n.pt`), downloaded to weights/ if missing.

    Raises:
        KdpipeError: if it cannot be downloaded.
    """
    path = project_root() / "weights" / name
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
