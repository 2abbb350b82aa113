"""The table of formats in docs/own-data.md, from the cases that the tests try.

`python -m tests.data.exports.matrix` writes it.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

from tabulate import tabulate

from tests.data.exports.cases import READ, REFUSED

PAGE = Path(__file__).parents[3] / "docs/own-data.md"
START, END = "<!-- formats, written by tests/data/exports/matrix.py -->\n", "<!-- end of formats -->\n"
BETWEEN = re.compile(f"{re.escape(START)}.*?{re.escape(END)}", re.DOTALL)


def matrix() -> str:
    """Each layout with the tasks that are read of it, and each format that is refused."""
    tasks = defaultdict(list)
    for case in READ:
        tasks[case.tool, case.layout].append(case.task)
    rows = [(tool, layout, ", ".join(found)) for (tool, layout), found in tasks.items()]
    rows += [(refusal.tool, "", f"refused: {refusal.what}") for refusal in REFUSED]
    return tabulate(rows, ["format", "layout", "read for"], tablefmt="github") + "\n"


def with_matrix(page: str) -> str:
    """The page with the table as it should be."""
    return BETWEEN.sub(lambda _: f"{START}\n{matrix()}\n{END}", page)


if __name__ == "__main__":
    PAGE.write_text(with_matrix(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} has the table of formats\n")
