"""Every task through every step but DVC, as small as it gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.history import HISTORY_FILE, read_history
from kdpipe.tasks import TASKS
from tests.stages import through

OWN_LOSS = {"segment": "train/seg_loss", "pose": "train/pose_loss", "obb": "train/angle_loss"}


@pytest.mark.slow
@pytest.mark.parametrize("task", list(OWN_LOSS))
def test_a_task_from_data_to_table(task: str, write_params: Callable[..., Path]) -> None:
    suffix = TASKS[task].suffix
    student, teacher = f"yolo26n{suffix}", f"yolo26s{suffix}"
    path = write_params(
        data__task=task,
        students={student: {"init": "scratch"}},
        teachers={teacher: {"init": "scratch"}},
        pairs={"n-s": {"student": student, "teacher": teacher}},
    )
    results = through(path).results
    assert results.task is TASKS[task]
    assert set(results.table["head"]) == {"e2e", "nms"}
    assert len(results.table) == 3 * 2 * 2  # cells, splits, heads
    assert results.table[["coco/AP", "coco/AP50", "mAP50-95"]].notna().all(axis=None)
    assert ("coco/box/AP" in results.table) == ("box/mAP50-95" in results.table) == (task != "obb")
    history = read_history(Path(f"runs/distill/n-s/1.0/0/train/{HISTORY_FILE}"))
    assert all(row["train/dis_loss"] > 0 and row[OWN_LOSS[task]] > 0 for row in history)
    assert "metrics/mAP50-95" in history[0]
    table = Path("reports/benchmark.md").read_text()
    assert f"**mAP50-95 is {TASKS[task].metric}**" in table
    assert ("COCO boxes" in table) == (task != "obb")
