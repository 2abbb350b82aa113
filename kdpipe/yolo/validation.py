"""Validation of a checkpoint on one head, with a check that this head was used."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdpipe.errors import KdpipeError
from kdpipe.models.tasks import TASKS, metric_name
from kdpipe.params.schema import Validate
from kdpipe.paths import state_dir
from kdpipe.yolo.device import device as device_of
from kdpipe.yolo.hermetic import configure
from kdpipe.yolo.log import log_to

if TYPE_CHECKING:
    from ultralytics import YOLO

LOG_FILE = "validate.log"


def opened(weights: Path) -> YOLO:
    """Open a checkpoint, without running anything of it.

    Raises:
        KdpipeError: if it is not a checkpoint of a model.
    """
    configure()
    from ultralytics import YOLO

    from kdpipe.yolo.opening import rebuilding
    from kdpipe.yolo.quantized import quietly

    with rebuilding(weights), quietly():
        return YOLO(weights)


def exported_model(file: Path, task: str) -> YOLO:
    """Open an exported file for validation.

    Args:
        file: The file or folder.
        task: Its task.
    """
    configure()
    from ultralytics import YOLO

    return YOLO(file, task=task)


def validate(
    given: YOLO,
    data: Path,
    split: str,
    head: str,
    options: Validate,
    *,
    images: int,
    imgsz: int,
    device: object,
    log: Path,
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Validate a model on one split with one head.

    Args:
        given: The model, which stays as it is.
        data: The data yaml.
        split: `train`, `val` or `test`.
        head: `e2e` (NMS-free) or `nms` (the classical head with NMS).
        options: Batch size, thresholds and maximum number of predictions.
        images: Number of images of the split.
        imgsz: Image size in pixels.
        device: Device as in params.yaml; `auto` is the first GPU, or else the CPU.
        log: Log file for Ultralytics' output.

    Returns:
        Ultralytics' metrics: precision, recall, mAP50, mAP50-95, the mAP50-95 of each class (`class/NAME`),
        and milliseconds per image (`ms/...`). For segment and pose these are for masks and keypoints, and
        those of boxes are `box/...`.
        The predictions, as Ultralytics writes them with `save_json`.

    Raises:
        KdpipeError: if Ultralytics did not use the requested head, or not all images.
    """
    from kdpipe.yolo.reading import count_images

    seen: list[Any] = []
    model = deepcopy(given)  # Ultralytics fuses the layers of what it validates
    model.add_callback("on_val_end", seen.append)
    model.add_callback("on_val_end", _write_nothing)
    with log_to(log):
        model.val(
            data=str(data.resolve()),
            nms=head == "nms",
            split=split,
            batch=options.batch,
            conf=options.conf,
            iou=options.iou,
            max_det=options.max_det,
            imgsz=imgsz,
            device=device_of(device),
            plots=False,
            save_json=True,
            save_dir=str(state_dir() / "validation"),
        )
    validator = seen[-1]
    count_images(validator.dataloader, split, images)
    if bool(validator.end2end) != (head == "e2e"):
        raise KdpipeError(f"{given.ckpt_path}: asked for the {head} head, but Ultralytics used the other one")
    return _metrics(validator.metrics, model.task), validator.jdict


def _write_nothing(validator: Any) -> None:
    """Skip Ultralytics' own file of the predictions, and the COCO AP that it computes from it."""
    validator.args.save_json = False


def _metrics(found: Any, task: str) -> dict[str, float]:
    values = {
        metric_name(key, task).removeprefix("metrics/"): value for key, value in found.results_dict.items()
    }
    values.pop("fitness", None)
    own = {"M": "seg", "P": "pose", "B": "box"}[TASKS[task].mark]
    per_class = getattr(found, own).maps
    values |= {f"class/{found.names[index]}": per_class[index] for index in found.names}
    values |= {f"ms/{stage}": value for stage, value in found.speed.items()}
    return {name: round(float(value), 6) for name, value in values.items()}
