"""A command whose files are on two sides of `--`, with options anywhere."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

SEPARATOR = "\0"  # in place of `--`, which click drops; no argument can contain it


class TwoSides(TyperCommand):
    """A command that keeps `--` as an argument, and takes options after it too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as click does, except `--`."""
        return super().parse_args(ctx, [SEPARATOR if arg == "--" else arg for arg in args])
