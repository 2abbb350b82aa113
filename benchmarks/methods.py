"""The table of docs/methods.md: what each method needs, what a step of it costs, and what it gained.

    python benchmarks/methods.py [--imgsz N] [--batch N] [--rounds N]

The costs are measured now, as benchmarks/step.py does: a training of the baseline and one of each method
take turns, a few steps each. `ld` takes turns with a baseline of YOLO11, which has what it compares. The
gains are those of docs/results/digits-methods.csv, which `python benchmarks/presets.py digits-methods` makes.
Run it with nothing else on the machine.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import pandas as pd
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.step import Setting, Variant, machine, measure, prepare_data, save_teacher
from kdpipe.models.methods import DISTRIBUTIONS, METHODS
from kdpipe.params.schema import L2
from kdpipe.report.formatting import HEAD_NAMES, gain_of, markdown

START, END = "<!-- benchmarks/methods.py: start -->", "<!-- benchmarks/methods.py: end -->"
PAGE = ROOT / "docs/methods.md"
GAINS = ROOT / "docs/results/digits-methods.csv"
PRESET = ROOT / "pipelines/presets/digits-methods.yaml"
BASELINE = "baseline"


def costs(family: str, methods: list[str], options: argparse.Namespace) -> pd.Series:
    """Time of a step with each method, as a multiple of a step without a teacher."""
    from kdpipe.yolo.arguments import device

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare_data(folder, options.imgsz, options.batch)
        save_teacher(f"{family}s", folder / "teacher.pt")
        setting = Setting(
            f"{family}n",
            f"{family}s",
            options.imgsz,
            options.batch,
            amp=True,
            device=device(),
            folder=folder,
        )
        variants = {name: Variant(kdpipe=True, method=name) for name in methods}
        table = measure({BASELINE: Variant(kdpipe=True, method=None), **variants}, setting, options.rounds)
    return table["ratio"].drop(BASELINE)


def gains() -> dict[str, dict[str, str]]:
    """Columns of the gains of each method, from those of the preset's pairs."""
    pairs = OmegaConf.load(PRESET).pairs
    found: dict[str, dict[str, str]] = {}
    for row in pd.read_csv(GAINS).to_dict("records"):
        column = f"gain {HEAD_NAMES[row['head']]}, dis {row['dis']}"
        columns = found.setdefault(pairs[row["pair"]].get("method", L2), {})
        columns[column] = gain_of(row["gain"], row["low"], row["high"])
    return found


def main() -> None:
    """Measure the costs, and write the table into docs/methods.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    models = [method for method in METHODS.values() if not method.backbone]
    usual = [method.name for method in models if method.families != DISTRIBUTIONS]
    others = [method.name for method in models if method.families == DISTRIBUTIONS]
    step = pd.concat([costs("yolo26", usual, options), costs("yolo11", others, options)])
    gained = gains()
    columns = dict.fromkeys(column for row in gained.values() for column in row)
    table = markdown(
        [
            {
                "method": f"`{method.name}`",
                "reads of the teacher": method.reads,
                "a step": f"{step[method.name]:.2f} x",
                **{column: gained.get(method.name, {}).get(column, "") for column in columns},
            }
            for method in models
        ]
    )
    setting = f"{options.imgsz} px, batch {options.batch}; {machine()}"
    block = f"{START}\n{table}\n\n*A step*: {setting}.\n{END}"
    text = PAGE.read_text(encoding="utf-8")
    assert START in text, f"{PAGE} has no place for the table"
    PAGE.write_text(re.sub(f"{START}.*{END}", lambda _: block, text, flags=re.DOTALL), encoding="utf-8")
    print(block)


if __name__ == "__main__":
    main()
