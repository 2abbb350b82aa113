"""Boxes, outlines and turned rectangles of objects, in pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from kdpipe.data.importing.objects import Box, Shape

FEWEST_VALUES = 6  # of an outline: x and y of three points
CORNER_VALUES = 8
ROUND = 32  # points of an ellipse


def turned(box: Box, degrees: float) -> list[float]:
    """Corners of a box that is turned around its centre; clockwise on the screen."""
    left, top, right, bottom = box
    x, y, angle = (left + right) / 2, (top + bottom) / 2, math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    corners = []
    for corner_x, corner_y in ((left, top), (right, top), (right, bottom), (left, bottom)):
        across, down = corner_x - x, corner_y - y
        corners += [x + across * cosine - down * sine, y + across * sine + down * cosine]
    return corners


def ellipse(x: float, y: float, radii: tuple[float, float], degrees: float = 0) -> list[float]:
    """Outline of an ellipse as x, y.

    Args:
        x: Its centre.
        y: Its centre.
        radii: Along x and y before it is turned.
        degrees: By how much it is turned, clockwise on the screen.
    """
    around = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    across, down = radii[0] * np.cos(around), radii[1] * np.sin(around)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    points = np.stack([x + across * cosine - down * sine, y + across * sine + down * cosine], axis=1)
    return [float(value) for value in points.ravel()]


def around(values: Sequence[float]) -> Box:
    """Box around points given as x, y."""
    xs, ys = values[0::2], values[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def box_of(shape: Shape) -> Box | None:
    """Box of an object: of its corners if it is turned, its own, or the one around its outlines or mask."""
    if shape.corners:
        return around(shape.corners)
    if shape.box:
        return shape.box
    outlines = [value for part in outlines_of(shape) for value in part]
    return around(outlines) if outlines else None


def outlines_of(shape: Shape) -> list[Sequence[float]]:
    """Outlines of an object; empty if it has none."""
    parts = [part for part in shape.parts if len(part) >= FEWEST_VALUES and len(part) % 2 == 0]
    if not parts and shape.mask:
        return contours(shape.mask())
    if not parts and shape.corners:
        return [shape.corners]
    return parts


def contours(mask: NDArray[np.uint8]) -> list[Sequence[float]]:
    """Outer outlines of a mask."""
    found = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    parts = [[float(value) for value in part.ravel()] for part in found]
    return [part for part in parts if len(part) >= FEWEST_VALUES]


def corners_of(shape: Shape) -> Sequence[float]:
    """Corners of the turned rectangle of an object: its own, or those of the smallest one around it."""
    if shape.corners:
        return shape.corners
    parts = outlines_of(shape)
    if len(parts) == 1 and len(parts[0]) == CORNER_VALUES:
        return parts[0]
    if parts:
        points = np.array([value for part in parts for value in part], np.float32).reshape(-1, 2)
        return [float(value) for value in cv2.boxPoints(cv2.minAreaRect(points)).ravel()]
    return turned(shape.box, 0) if shape.box else ()


def clipped(box: Box, width: float, height: float) -> Box:
    """The part of a box that is in the picture."""
    left, top, right, bottom = box
    return max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)
