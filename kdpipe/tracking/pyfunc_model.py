"""A student as an MLflow pyfunc model: MLflow copies this file, so it must not import kdpipe."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

ALWAYS = ("class_id", "name", "confidence")


class Student(PythonModel):
    """Predicts objects in image files with Ultralytics."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights, with Ultralytics' safe loading: MLflow may have them from elsewhere."""
        os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "true")
        from ultralytics import YOLO

        self._model = YOLO(context.artifacts["weights"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return one row per object, in pixels: a box as x1, y1, x2, y2, a rotated one as its four corners.

        Outlines and keypoints are lists of x and y coordinates; keypoints also have their visibility.

        Args:
            context: Not used; the weights are loaded already.
            model_input: A column `image` with the paths of the images.
            params: `nms` (False selects the NMS-free head), `conf`, `iou` and `imgsz`, as in Ultralytics.
        """
        del context
        lines: list[dict[str, Any]] = []
        for image in model_input["image"]:
            (found,) = self._model.predict(image, verbose=False, **(params or {}))
            lines += [{"image": image, **line} for line in _lines(found)]
        return pd.DataFrame(lines, columns=None if lines else ["image", *ALWAYS])


def _lines(found: Any) -> Iterator[dict[str, Any]]:
    for item in found.summary():
        line = dict(zip(ALWAYS, (item["class"], item["name"], item["confidence"]), strict=True))
        line |= item["box"]
        for part in ("segments", "keypoints"):
            line |= {f"{part}_{axis}": list(values) for axis, values in item.get(part, {}).items()}
        yield line


set_model(Student())
