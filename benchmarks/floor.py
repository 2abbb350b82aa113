"""What a distilled step cannot take less than on this machine: its operations and its bytes.

    python benchmarks/floor.py [--pairs yolo26n:yolo26s ...] [--imgsz N] [--batch N] [--float32]

Counted are the convolutions alone, as if everything between them were fused into them: the student's
three times (forward, gradient of the input, gradient of the weights), the teacher's, without its boxes,
once. The rates are measured here: a large matrix product for operations, a large copy for bytes. Whichever
takes longer is the floor; compare it with benchmarks/step.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.step import machine
from kdpipe.report.formatting import markdown

SIDE = 4096  # of the matrices
COPIED = 2**28  # bytes
REPEATS = 5
PASSES = 3  # of the student


def main() -> None:
    """Print a table, a line per pair."""
    import torch

    from kdpipe.yolo.arguments import device
    from kdpipe.yolo.hermetic import cpu_threads
    from kdpipe.yolo.precision import measured

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", nargs="+", default=["yolo26n:yolo26s"], help="student:teacher")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--float32", action="store_true", help="no mixed precision, as on older CPUs")
    options = parser.parse_args()
    torch.set_num_threads(cpu_threads())
    place = torch.device("cpu" if device() == "cpu" else "cuda")
    mixed = not options.float32 and (place.type == "cuda" or measured(options.imgsz).mixed)
    kind = torch.float32 if not mixed else torch.bfloat16 if place.type == "cpu" else torch.float16
    operations_per_second, bytes_per_second = rates(kind, place)
    print(machine())
    print(f"{kind}: {operations_per_second / 1e9:.0f} GFLOP/s, {bytes_per_second / 1e9:.1f} GB/s\n")
    shape = (options.batch, 3, options.imgsz, options.imgsz)
    lines = []
    for pair in options.pairs:
        student, teacher = pair.split(":")
        counts = (count(student, shape, boxes=True), count(teacher, shape, boxes=False))
        (student_flops, student_values), (teacher_flops, teacher_values) = counts
        flops = PASSES * student_flops + teacher_flops
        moved = (PASSES * student_values + teacher_values) * kind.itemsize
        computing, moving = flops / operations_per_second, moved / bytes_per_second
        lines.append(
            {
                "student <- teacher": f"{student} <- {teacher}",
                "GFLOP": f"{flops / 1e9:.0f}",
                "MB": f"{moved / 1e6:.0f}",
                "computing (ms)": f"{1000 * computing:.0f}",
                "moving (ms)": f"{1000 * moving:.0f}",
                "floor (ms)": f"{1000 * max(computing, moving):.0f}",
            }
        )
    print(markdown(lines))


def rates(kind: Any, place: Any) -> tuple[float, float]:
    """Operations and bytes per second, at best."""
    import torch

    left, right = (torch.rand(SIDE, SIDE, device=place).to(kind) for _ in range(2))
    source = torch.zeros(COPIED, dtype=torch.uint8, device=place)
    target = torch.empty_like(source)
    product = seconds(lambda: left @ right, place)
    copy = seconds(lambda: target.copy_(source), place)
    return 2 * SIDE**3 / product, 2 * COPIED / copy


def seconds(work: Callable[[], object], place: Any) -> float:
    """How long a call takes: the median of a few, after one."""
    import torch

    found = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        work()
        if place.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return median(found[1:])


def count(name: str, shape: tuple[int, ...], *, boxes: bool) -> tuple[int, int]:
    """Operations of a model's convolutions in one pass, and values that they read and write."""
    import torch

    from kdpipe.yolo.hermetic import configure

    configure()
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(f"{name}.yaml", nc=10, verbose=False).train()
    head = model.model[-1]
    skipped = [] if boxes else [head.cv2, getattr(head, "one2one_cv2", torch.nn.Identity())]
    without = {part for branch in skipped for part in branch.modules()}
    total = [0, 0]

    def counted(layer: Any, given: Any, out: Any) -> None:
        total[0] += 2 * out.numel() * layer.weight[0].numel()
        total[1] += given[0].numel() + out.numel() + layer.weight.numel()

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module not in without:
            module.register_forward_hook(counted)
    with torch.no_grad():
        model(torch.zeros(shape))
    return total[0], total[1]


if __name__ == "__main__":
    main()
