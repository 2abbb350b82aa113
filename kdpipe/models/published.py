"""Figures that Ultralytics published for its YOLO26 checkpoints: AP on COCO, and SHA-256 of the files.

AP in %: docs.ultralytics.com/guides/knowledge-distillation, section Performance (COCO val2017, 640 px).
SHA-256: the same in several independent public repositories.
"""

from __future__ import annotations

DATA = "coco.yaml"  # data set of these results

BASELINE = {  # model -> head -> AP in %
    "yolo26n": {"nms": 40.9, "e2e": 40.1},
    "yolo26s": {"nms": 48.6, "e2e": 47.8},
    "yolo26m": {"nms": 53.1, "e2e": 52.5},
    "yolo26l": {"nms": 55.0, "e2e": 54.4},
    "yolo26x": {"nms": 57.5, "e2e": 56.9},
}
DISTILLED = {
    "yolo26n": {"nms": 41.5, "e2e": 40.9},
    "yolo26s": {"nms": 49.2, "e2e": 48.6},
    "yolo26m": {"nms": 53.9, "e2e": 53.3},
    "yolo26l": {"nms": 56.0, "e2e": 55.5},
    "yolo26x": {"nms": 57.9, "e2e": 57.4},
}

SHA256 = {
    "yolo26n.pt": "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef",
    "yolo26s.pt": "646f8bc3fe0a656803d95c294f7852321748cb29d13466a1af8862e2db384a1b",
    "yolo26m.pt": "401cea9ab23ad19246ff7744859816bc599f350e93c9dd30367b6f0a0745d0b7",
    "yolo26l.pt": "9fe3c544f2b19bebad7ea41e76d7ad3d88b7c2f10d11d24430c5311f6b32db26",
    "yolo26x.pt": "9fdd44a31c504547ffb81d2c6d9e6dac3493c8eaa8b0398d3f43bae6c7003e92",
}
