"""The embedded data set: scenes of real handwritten digits, drawn deterministically.

The handwriting is the "Optical Recognition of Handwritten Digits" set of the UCI Machine Learning
Repository (E. Alpaydin, C. Kaynak, 1998, doi:10.24432/C50P49, licence CC BY 4.0), as shipped with
scikit-learn (`sklearn.datasets.load_digits`, 1797 glyphs of 8 x 8 pixels).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from kdpipe.data.example import Example, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kdpipe.config import Digits

    Image = NDArray[np.uint8]
    Plane = NDArray[np.float32]

ORIGIN = """\
Scenes drawn by kdpipe from the handwriting of "Optical Recognition of Handwritten Digits"
(E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49),
as shipped with scikit-learn. Licence of the handwriting: CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). Changes: enlarged, rotated, coloured, placed
on synthetic backgrounds.
"""

# Shares of the handwriting. The source is ordered by writer, so consecutive blocks keep both the
# samples and (but for the writers at the two borders) the hands of the splits apart.
HANDWRITING = {"train": (0.0, 0.6), "val": (0.6, 0.8), "test": (0.8, 1.0)}

GLYPH_SIDE = (0.34, 0.52)  # of the scene's side
DIGITS_PER_SCENE = (2, 7)  # upper bound exclusive
NEGATIVES = 0.08  # share of scenes without any digit
SMALLEST_SIZE = 32  # pixels a side
TURN = 12.0  # degrees, either way
VISIBLE_INK = 0.35  # a pixel belongs to the digit from this opacity on
MAX_OVERLAP = 0.15  # of the smaller of two boxes


@dataclass(frozen=True)
class Glyph:
    """One digit in a scene: its class and its ink as an opacity plane of the scene's size."""

    digit: int
    ink: Plane

    def box(self) -> tuple[int, int, int, int]:
        """Tight box of the visible ink as x1, y1, x2, y2 in pixels, upper bounds exclusive."""
        ys, xs = np.nonzero(self.ink > VISIBLE_INK)
        return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@dataclass(frozen=True)
class Scene:
    """An image (height, width, 3; uint8 BGR) and the digits in it."""

    image: Image
    glyphs: tuple[Glyph, ...]


def detect_label(glyph: Glyph, size: int) -> str:
    """YOLO detection label of a glyph: class and normalised box centre, width and height."""
    x1, y1, x2, y2 = glyph.box()
    values = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
    return " ".join([str(glyph.digit), *(f"{value / size:.6f}" for value in values)])


LABELS: dict[str, Callable[[Glyph, int], str]] = {"detect": detect_label}
"""How a glyph is labelled, per task: the tasks that the embedded data supports."""


def source(options: Digits, task: str) -> Source:
    """The embedded data set; the same options give the same files, byte by byte."""
    return Source(
        names={digit: str(digit) for digit in range(10)},
        splits={split: _examples(options, task, split) for split in HANDWRITING},
        origin=ORIGIN,
    )


def draw_scene(options: Digits, split: str, index: int) -> Scene:
    """Draw one scene of a split, whose digits come from that split's share of the handwriting."""
    rng = np.random.default_rng([options.seed, list(HANDWRITING).index(split), index])
    inks, digits = handwriting(split)
    return _scene(rng, inks, digits, options.size)


@cache
def handwriting(split: str) -> tuple[Plane, NDArray[np.int64]]:
    """A split's share of the handwriting: ink planes (N, 8, 8; 0..1) and their digits (N)."""
    from sklearn.datasets import load_digits

    glyphs = load_digits()
    start, stop = (round(share * len(glyphs.target)) for share in HANDWRITING[split])
    return (glyphs.images[start:stop] / 16).astype(np.float32), glyphs.target[start:stop]


def _examples(options: Digits, task: str, split: str) -> list[Example]:
    def encode(index: int) -> tuple[bytes, str]:
        scene = draw_scene(options, split, index)
        _, png = cv2.imencode(".png", scene.image)
        return png.tobytes(), "\n".join(LABELS[task](g, options.size) for g in scene.glyphs)

    return [
        Example(f"{index:05d}.png", f"digits {split} scene {index}", partial(encode, index))
        for index in range(getattr(options, split))
    ]


def _scene(rng: np.random.Generator, inks: Plane, digits: NDArray[np.int64], size: int) -> Scene:
    image = _background(rng, size)
    for _ in range(rng.integers(0, 2)):
        _scribble(rng, image)
    glyphs: list[Glyph] = []
    wanted = 0 if rng.random() < NEGATIVES else int(rng.integers(*DIGITS_PER_SCENE))
    for _ in range(wanted):
        chosen = int(rng.integers(len(digits)))
        glyph = Glyph(int(digits[chosen]), _place(rng, inks[chosen], size))
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
    """A stroke that is no digit, so that ink alone does not give one away."""
    size = len(image)
    start, end = (tuple(int(v) for v in rng.integers(0, size, 2)) for _ in range(2))
    colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
    cv2.line(image, start, end, colour, int(rng.integers(1, 3)), cv2.LINE_AA)


def _place(rng: np.random.Generator, ink: Plane, size: int) -> Plane:
    """Enlarge, turn and move an 8 x 8 glyph to somewhere wholly inside the scene."""
    side = size * rng.uniform(*GLYPH_SIDE)
    centre = rng.uniform(side * 0.7, size - side * 0.7, 2)
    warp = cv2.getRotationMatrix2D((3.5, 3.5), rng.uniform(-TURN, TURN), side / 8)
    warp[:, 2] += centre - 3.5
    placed = cv2.warpAffine(ink, warp, (size, size), flags=cv2.INTER_CUBIC)
    clipped: Plane = np.clip(placed, 0, 1)
    return clipped


def _paint(rng: np.random.Generator, image: Plane, ink: Plane) -> None:
    """Blend a colour that is brighter than what is under the ink."""
    under = image[ink > VISIBLE_INK].mean()
    colour = np.clip(under + rng.uniform(80, 160) + rng.normal(0, 20, 3), 0, 255)
    image += ink[..., None] * (colour - image)


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Intersection over the smaller of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(width, 0) * max(height, 0) / smaller
