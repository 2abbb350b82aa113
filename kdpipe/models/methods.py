"""Distillation methods: what each reads of the teacher, its default `dis`, and where it works."""

from __future__ import annotations

from dataclasses import dataclass

from kdpipe.models.names import END_TO_END_FAMILIES, FAMILIES
from kdpipe.params.schema import CONSTANT, L2

FEATURES, SCORES, BOXES = "features", "scores", "boxes"  # of the teacher; each is needed by the next
O2M, STOP = "o2m", "stop"
BACKBONE = "backbone"  # the method of pretrained backbones
DECAYS = (CONSTANT, "cosine", O2M)


@dataclass(frozen=True)
class Method:
    """A distillation method.

    Attributes:
        name: Its name in params.yaml.
        about: What it compares.
        reads: What the teacher must compute: `features`, `scores` (and features), or `boxes` (and all).
        dis: A weight to begin with: where the authors publish one, theirs.
        families: Families whose heads have what it needs.
        backbone: Whether its teachers are pretrained backbones of timm, instead of models of Ultralytics.
        options: Keys of a pair that it knows.
    """

    name: str
    about: str
    reads: str
    dis: float
    families: tuple[str, ...] = FAMILIES
    backbone: bool = False
    options: tuple[str, ...] = ()


DISTRIBUTIONS = tuple(family for family in FAMILIES if family not in END_TO_END_FAMILIES)
METHODS = {
    method.name: method
    for method in (
        Method(L2, "neck features, weighted by the teacher's scores (Ultralytics)", SCORES, 6.0),
        Method(
            "predictions", "class scores, and boxes where the teacher is sure", BOXES, 2.0, options=("beta",)
        ),
        Method("cwd", "where in the image each channel of the neck is active", FEATURES, 1.0),
        Method("pkd", "standardised neck features", FEATURES, 6.0),
        Method("mgd", "neck features restored from masked ones of the student", FEATURES, 1.0),
        Method("ld", "distributions of box sides", BOXES, 0.25, DISTRIBUTIONS),
        Method(BACKBONE, "directions of features, with a pretrained backbone", FEATURES, 1.0, backbone=True),
        Method(
            "features+predictions", "the sum of l2 and predictions", BOXES, 1.0, options=("beta", "weights")
        ),
    )
}
