"""What each of kdpipe's speed-ups on a CPU still gives: a distilled step without it, and with all.

    python benchmarks/parts.py [--imgsz N] [--batch N] [--rounds N] [--float32]

As `benchmarks/step.py`: a process each, by turns. A ratio above 1 is what a step takes more without the part.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.step import Setting, Variant, machine, measure, prepare_data, save_teacher
from kdpipe.params.schema import L2
from kdpipe.yolo.precision import measured

STUDENT, TEACHER = "yolo26n", "yolo26s"
TRAINERS, LEAN_TEACHER = "kdpipe.runner.trainers", "kdpipe.runner.lean_teacher"
PARTS = {
    "all parts": (),
    "freed memory goes back to the system": (
        f"{TRAINERS}.keep_freed_memory",
        f"{TRAINERS}.give_back_freed_memory",
    ),
    "teacher's convolutions and activations are two calls": (f"{LEAN_TEACHER}._fuse_activations",),
}


def main() -> None:
    """Print a table of the step with all parts, and without each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--float32", action="store_true", help="no mixed precision, as on older CPUs")
    options = parser.parse_args()
    print(machine())
    mixed = not options.float32 and measured(options.imgsz).mixed
    arguments: dict[str, object] = {"amp": "bf16" if mixed else False}
    variants = {
        name: Variant(kdpipe=True, method=L2, arguments=arguments, without=without)
        for name, without in PARTS.items()
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare_data(folder, options.imgsz, options.batch)
        save_teacher(TEACHER, folder / "teacher.pt")
        where: dict[str, Any] = {"imgsz": options.imgsz, "batch": options.batch, "folder": folder}
        setting = Setting(STUDENT, TEACHER, amp=mixed, device="cpu", **where)
        table = measure(variants, setting, options.rounds)
    layers = "bfloat16" if mixed else "float32"
    print(f"\n{STUDENT} <- {TEACHER}, {options.imgsz} px, batch {options.batch}, {layers}; ms, MiB\n")
    print(table.to_markdown(floatfmt=(".0f", ".2f", *[".0f"] * (len(table.columns) - 1))))


if __name__ == "__main__":
    main()
