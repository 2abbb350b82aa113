"""Stage pick_teacher: models/teachers, validated -> models/pairs/PAIR."""

from __future__ import annotations

import sys

from kdpipe.choose_teacher import choose_teacher
from kdpipe.console import console, reporting_mistakes
from kdpipe.preflight import preflight


@reporting_mistakes
def main(pair: str) -> None:
    """Choose the teacher of a pair."""
    console.print(f"pair {pair}: {choose_teacher(preflight(), pair)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
