"""Embedded data set: scenes of real handwritten digits, drawn deterministically.

The handwriting is the "Optical Recognition of Handwritten Digits" set of the UCI Machine Learning Repository
(E. Alpaydin, C. Kaynak, 1998, doi:10.24432/C50P49, licence CC BY 4.0), as shipped with scikit-learn
(`sklearn.datasets.load_digits`, 1797 glyphs of 8 x 8 pixels).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from kdpipe.data.source import Example, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kdpipe.params.schema import Digits

    Image = NDArray[np.uint8]  # (height, width, 3), BGR
    Plane = NDArray[np.float32]  # ink (height, width), or an unfinished image (height, width, 3), BGR

ORIGIN = """\
Scenes drawn by kdpipe from the handwriting of "Optical Recognition of Handwritten Digits"
(E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49),
as shipped with scikit-learn. Licence of the handwriting: CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). Changes: enlarged, rotated, coloured, placed
on synthetic backgrounds.
"""

# Shares of the handwriting. The source is ordered by writer, so with consecutive blocks no sample is in two
# splits, and no writer except those at the two borders.
HANDWRITING = {"train": (0.0, 0.6), "val": (0.6, 0.8), "test": (0.8, 1.0)}

NAMES = {digit: str(digit) for digit in range(10)}
GLYPH_SIDE = (0.34, 0.52)  # range, as shares of the scene's side
DIGITS_PER_SCENE = (2, 7)  # range, upper bound exclusive
NEGATIVES = 0.08  # share of scenes without digits
SMALLEST_SIZE = 32  # side in pixels
TURN, WIDE_TURN = 12.0, 60.0  # maximum angle in degrees, both directions; wide for pose and obb
VISIBLE_INK = 0.35  # minimum opacity of a pixel that belongs to the digit
MAX_OVERLAP = 0.15  # share of the smaller of two boxes
OUTLINE_DETAIL = 4  # upscaling factor before outlines are traced
OUTLINE_TOLERANCE = 0.3  # maximum error of a simplified outline, in pixels


@dataclass(frozen=True)
class Glyph:
    """One digit in a scene: class, ink (height, width; 0 to 1), and degrees of counterclockwise rotation."""

    digit: int
    ink: Plane
    turn: float

    def box(self) -> tuple[int, int, int, int]:
        """Tight box of the visible ink as x1, y1, x2, y2 in pixels; x2 and y2 are exclusive."""
        ys, xs = np.nonzero(self.ink > VISIBLE_INK)
        return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1

    def corners(self) -> NDArray[np.float64]:
        """Corners of the tight box that is rotated with the digit, (4, 2): x and y in pixels, in the order
        upper left, upper right, lower right, lower left of the upright digit.
        """
        ys, xs = np.nonzero(self.ink > VISIBLE_INK)
        angle = np.radians(self.turn)
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # right, down
        places = np.column_stack([xs + 0.5, ys + 0.5]) @ axes.T
        left, top = places.min(axis=0) - 0.5
        right, bottom = places.max(axis=0) + 0.5
        found: NDArray[np.float64] = (
            np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ axes
        )
        return found

    def outline(self) -> NDArray[np.float64]:
        """Outer edge of the visible ink as one polygon, (n, 2): x and y in pixels. Gaps are closed and holes
        are filled, because a label has one polygon per object.
        """
        sides = [side * OUTLINE_DETAIL for side in self.ink.shape[::-1]]
        visible = (cv2.resize(self.ink, sides, interpolation=cv2.INTER_LINEAR) > VISIBLE_INK).astype(np.uint8)
        grown, reach = visible, 1
        while len(edges := cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]) > 1:
            reach += 2
            grown = cv2.morphologyEx(visible, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
        simple = cv2.approxPolyDP(edges[0], OUTLINE_TOLERANCE * OUTLINE_DETAIL, closed=True)
        found: NDArray[np.float64] = (simple[:, 0] + 0.5) / OUTLINE_DETAIL
        return found


@dataclass(frozen=True)
class Scene:
    """An image, (height, width, 3), BGR, uint8, and the digits in it."""

    image: Image
    glyphs: tuple[Glyph, ...]


def detect_label(glyph: Glyph, size: int) -> str:
    """YOLO detection label: class, and normalised box centre, width and height."""
    x1, y1, x2, y2 = glyph.box()
    values = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
    return " ".join([str(glyph.digit), *(f"{value / size:.6f}" for value in values)])


def segment_label(glyph: Glyph, size: int) -> str:
    """YOLO segmentation label: class and normalised outline."""
    return f"{glyph.digit} {_shares(glyph.outline(), size)}"


def obb_label(glyph: Glyph, size: int) -> str:
    """YOLO label of a rotated box: class and normalised corners."""
    return f"{glyph.digit} {_shares(glyph.corners(), size)}"


def pose_label(glyph: Glyph, size: int) -> str:
    """YOLO pose label: class, normalised box, and its four corners as visible keypoints."""
    visible = np.column_stack([glyph.corners() / size, np.full(4, 2)])
    return f"{detect_label(glyph, size)} {_shares(visible, 1)}"


LABELS: dict[str, Callable[[Glyph, int], str]] = {
    "detect": detect_label,
    "segment": segment_label,
    "pose": pose_label,
    "obb": obb_label,
}
"""Label functions by task; these tasks are supported by the embedded data."""

EXTRA: dict[str, dict[str, object]] = {"pose": {"kpt_shape": [4, 3], "flip_idx": [1, 0, 3, 2]}}
"""Additional keys of the data yaml, by task."""


def _shares(values: NDArray[np.float64], size: int) -> str:
    return " ".join(f"{value / size:.6f}" for value in values.flatten())


def source(options: Digits, task: str) -> Source:
    """The embedded data set; the same options give the same files, byte by byte."""
    return Source(
        names=NAMES,
        splits={split: _examples(options, task, split) for split in HANDWRITING},
        origin=ORIGIN,
        extra=EXTRA.get(task, {}),
    )


def draw_scene(options: Digits, split: str, index: int, turn: float = TURN) -> Scene:
    """Draw one scene, with digits from its split's share of the handwriting.

    Args:
        options: Size and seed of the data set.
        split: Name of the split.
        index: Number of the scene in its split.
        turn: Maximum rotation of a digit in degrees, both directions.
    """
    rng = np.random.default_rng([options.seed, list(HANDWRITING).index(split), index])
    inks, digits = handwriting(split)
    return _scene(rng, inks, digits, options.size, turn)


@cache
def handwriting(split: str) -> tuple[Plane, NDArray[np.int64]]:
    """A split's share of the handwriting: ink (n, 8, 8), float32, 0 to 1, and digits (n,)."""
    from sklearn.datasets import load_digits

    glyphs = load_digits()
    start, stop = (round(share * len(glyphs.target)) for share in HANDWRITING[split])
    return (glyphs.images[start:stop] / 16).astype(np.float32), glyphs.target[start:stop]


def _examples(options: Digits, task: str, split: str) -> list[Example]:
    def encode(index: int) -> tuple[bytes, str]:
        scene = draw_scene(options, split, index, TURN if task in ("detect", "segment") else WIDE_TURN)
        _, png = cv2.imencode(".png", scene.image)
        return png.tobytes(), "\n".join(LABELS[task](g, options.size) for g in scene.glyphs)

    return [
        Example(f"{index:05d}.png", f"digits {split} scene {index}", partial(encode, index))
        for index in range(getattr(options, split))
    ]


def _scene(rng: np.random.Generator, inks: Plane, digits: NDArray[np.int64], size: int, turn: float) -> Scene:
    image = _background(rng, size)
    for _ in range(rng.integers(0, 2)):
        _scribble(rng, image)
    glyphs: list[Glyph] = []
    wanted = 0 if rng.random() < NEGATIVES else int(rng.integers(*DIGITS_PER_SCENE))
    for _ in range(wanted):
        chosen = int(rng.integers(len(digits)))
        ink, turned = _place(rng, inks[chosen], size, turn)
        glyph = Glyph(int(digits[chosen]), ink, turned)
        if all(_overlap(glyph.box(), other.box()) <= MAX_OVERLAP for other in glyphs):
            _paint(rng, image, glyph.ink)
            glyphs.append(glyph)
    noisy = image + rng.normal(0, 4, image.shape)
    return Scene(np.clip(noisy, 0, 255).astype(np.uint8), tuple(glyphs))


def _background(rng: np.random.Generator, size: int) -> Plane:
    coarse = rng.uniform(20, 130, 3) + rng.normal(0, 20, (4, 4, 3))
    resized: Plane = cv2.resize(coarse.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return resized


def _scribble(rng: np.random.Generator, image: Plane) -> None:
    """Draw a stroke that is not a digit into the image, so that ink alone is no clue."""
    size = len(image)
    start, end = (tuple(int(v) for v in rng.integers(0, size, 2)) for _ in range(2))
    colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
    cv2.line(image, start, end, colour, int(rng.integers(1, 3)), cv2.LINE_AA)


def _place(rng: np.random.Generator, ink: Plane, size: int, turn: float) -> tuple[Plane, float]:
    """Scale, rotate and move a glyph, (8, 8), to a random place fully inside the scene.

    Returns:
        Its ink in the scene, (size, size), and its rotation in degrees.
    """
    side = size * rng.uniform(*GLYPH_SIDE)
    centre = rng.uniform(side * 0.7, size - side * 0.7, 2)
    turned = rng.uniform(-turn, turn)
    warp = cv2.getRotationMatrix2D((3.5, 3.5), turned, side / 8)
    warp[:, 2] += centre - 3.5
    placed = cv2.warpAffine(ink, warp, (size, size), flags=cv2.INTER_CUBIC)
    clipped: Plane = np.clip(placed, 0, 1)
    return clipped, turned


def _paint(rng: np.random.Generator, image: Plane, ink: Plane) -> None:
    """Blend a colour into the image that is brighter than the pixels under the ink, (size, size)."""
    under = image[ink > VISIBLE_INK].mean()
    colour = np.clip(under + rng.uniform(80, 160) + rng.normal(0, 20, 3), 0, 255)
    image += ink[..., None] * (colour - image)


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Intersection of two boxes (x1, y1, x2, y2) as a share of the smaller box."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(width, 0) * max(height, 0) / smaller
