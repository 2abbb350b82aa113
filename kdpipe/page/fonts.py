"""Fonts for names that the fonts of matplotlib and Pillow lack, such as Chinese, Japanese and Korean ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from kdpipe.report.read import TEXTS, Content

USUAL = "DejaVu Sans"  # comes with matplotlib
PLACEHOLDERS = "Last Resort"  # comes with matplotlib too; it has a box for every character
SUGGESTED = "Noto Sans CJK (Debian and Ubuntu: fonts-noto-cjk)"


def families(texts: Iterable[str]) -> list[str]:
    """Font families that together have the characters of some texts, as far as fonts are installed."""
    return ["sans-serif", *dict(_beside_usual(_characters(texts)))]


def without_glyph(texts: Iterable[str]) -> str:
    """The characters that no installed font has, in the order of their code points."""
    left = _characters(texts) - _glyphs(font_manager.findfont(USUAL))
    for _, path in _beside_usual(frozenset(left)):
        left -= _glyphs(path)
    return "".join(sorted(left))


def file_for(text: str) -> str:
    """File of the installed font that has most of the characters of a text; the usual one if it has all."""
    wanted = _characters([text])
    files = [font_manager.findfont(USUAL), *(path for _, path in _beside_usual(wanted))]
    return max(files, key=lambda path: len(wanted & _glyphs(path)))


def names_of(content: Content) -> list[str]:
    """All names that the figures of a report may show."""
    columns = [table[name] for table in content.numbers.values() for name in TEXTS if name in table]
    return [str(name) for column in columns for name in column.unique()]


def _characters(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(character for text in texts for character in text if character.isprintable())


@cache
def _beside_usual(wanted: frozenset[str]) -> list[tuple[str, str]]:
    """Name and file of the fonts that have what the usual one lacks, the most helpful one first."""
    left = wanted - _glyphs(font_manager.findfont(USUAL))
    found = []
    while left:
        installed = font_manager.fontManager.ttflist
        fonts = {font.fname: font.name for font in installed if not font.name.startswith(PLACEHOLDERS)}
        best = max(fonts, key=lambda path: len(left & _glyphs(path)))
        if not left & _glyphs(best):
            break
        found.append((fonts[best], best))
        left -= _glyphs(best)
    return found


@cache
def _glyphs(path: str) -> frozenset[str]:
    """The characters that a font file has; none if it cannot be used, as those with coloured pictures."""
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()
