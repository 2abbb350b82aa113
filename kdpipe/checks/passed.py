"""Files that remember checks that have passed, because what checks them takes seconds to import."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kdpipe import __version__
from kdpipe.environment import training_versions
from kdpipe.paths import state_dir


def passed_file(*content: object) -> Path:
    """The file for a check of some content by these versions of kdpipe, ultralytics and torch."""
    known = repr((__version__, training_versions(), content))
    return state_dir() / "checked" / hashlib.sha256(known.encode()).hexdigest()[:32]


def remember(path: Path, text: str = "") -> None:
    """Write such a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
