"""Pipelines that have run, without having trained anything: to time what comes after a training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from kdpipe.cells.cell import BEST_FILE, DATASET_DIR, Cell
from kdpipe.cells.history import ENDED, HISTORY_FILE, write_rows
from kdpipe.cells.record import Identity, Record, save_metrics
from kdpipe.data.manifest import Manifest, Split
from kdpipe.evaluation import RESAMPLES_FILE, save_resamples
from kdpipe.evaluation.ap import ERRORS, OVERALL, RESAMPLED
from kdpipe.models.names import HEADS
from kdpipe.params.schema import PARAMS_FILE, Confirm, Data, Model, Pair, Params, Sweep
from kdpipe.tracking import SYSTEM_FILE

SPLITS, CLASSES, RESAMPLES = ("val", "test"), 10, 1000
DIS, SEEDS = (1.0, 3.0, 6.0), (0, 1, 2, 3)
CELLS_OF_A_PAIR = (len(DIS) + 1) * len(SEEDS)
LOSSES = ("train/box_loss", "train/cls_loss", "train/l1_loss", "train/dis_loss")
EPOCH_METRICS = (*LOSSES, *(f"metrics/{name}" for name in ("precision", "recall", "mAP50", "mAP50-95")), "lr")
OWN = ("precision", "recall", "mAP50", "mAP50-95", "ms/preprocess", "ms/inference", "ms/postprocess")
STARTED, EPOCH_SECONDS = 1_700_000_000.0, 5.0


def params(pairs: int) -> Params:
    """A sweep of this many pairs with one teacher, a student each."""
    return Params(
        data=Data(source="digits"),
        students={f"s{i}": Model(init="scratch", model="yolo26n") for i in range(pairs)},
        teachers={"t": Model(init="scratch", model="yolo26s")},
        pairs={f"p{i}": Pair(student=f"s{i}", teacher="t") for i in range(pairs)},
        sweep=Sweep(dis=list(DIS), seeds=list(SEEDS), paired=[]),
        confirm=Confirm(pairs={}, students=[], paired=[], seeds=[]),
        train={"imgsz": 96},
    )


def finish(cells: Iterable[Cell], wanted: Params, epochs: int) -> None:
    """Write into the working directory what the pipeline would leave of these cells."""
    rng = np.random.default_rng(0)
    OmegaConf.save(OmegaConf.structured(wanted), PARAMS_FILE)
    text = Path(PARAMS_FILE).read_text(encoding="utf-8")
    names = [str(i) for i in range(CLASSES)]
    split = Split(100, 0, 100, dict.fromkeys(names, 10), {"small": 100}, [20, 20])
    DATASET_DIR.mkdir(parents=True, exist_ok=True)
    manifest = Manifest("digits", "detect", "d" * 32, names, None, dict.fromkeys(SPLITS, split), [], "")
    manifest.save(DATASET_DIR)
    for cell in cells:
        for folder in (cell.train_dir, cell.val_dir, cell.eval_dir):
            folder.mkdir(parents=True)
        (cell.train_dir / PARAMS_FILE).write_text(text, encoding="utf-8")
        (cell.train_dir / BEST_FILE).write_bytes(b"weights")
        ends = [STARTED + EPOCH_SECONDS * (i + 1) for i in range(epochs)]
        rows = [
            {
                "epoch": i + 1,
                "seconds": end - STARTED,
                ENDED: end,
                **dict.fromkeys(EPOCH_METRICS, rng.random()),
            }
            for i, end in enumerate(ends)
        ]
        write_rows(cell.train_dir / HISTORY_FILE, rows)
        busy = [{ENDED: end, "system/cpu_utilization_percentage": 90.0} for end in ends]
        write_rows(cell.train_dir / SYSTEM_FILE, busy)
        student = cell.name if cell.kind == "baseline" else f"s{cell.name[1:]}"
        record_of(cell, student, "t", epochs).save(cell.train_dir)
        own = {**dict.fromkeys(OWN, 0.5), **{f"class/{name}": rng.random() for name in names}}
        save_metrics(cell.val_dir, {split: dict.fromkeys(HEADS, own) for split in SPLITS})
        coco = {f"coco/{name}": rng.random() for name in OVERALL}
        coco |= {f"coco/class/{name}": rng.random() for name in names}
        coco |= {f"error/{word}": rng.random() for word in ERRORS.values()}
        save_metrics(cell.eval_dir, {split: dict.fromkeys(HEADS, coco) for split in SPLITS})
        places = [f"{split}/{head}/{metric}" for split in SPLITS for head in HEADS for metric in RESAMPLED]
        noise = {place: rng.normal(0, 0.01, RESAMPLES) for place in places}
        save_resamples(noise, cell.eval_dir / RESAMPLES_FILE)


def record_of(cell: Cell, student: str, teacher: str, epochs: int) -> Record:
    """The record of a cell that was never trained."""
    taught = cell.kind == "distill"
    identity = Identity(
        cell=cell.id,
        kind=cell.kind,
        task="detect",
        seed=cell.seed,
        model="yolo26s" if cell.kind == "teacher" else "yolo26n",
        init="scratch",
        init_digest=None,
        data="digits",
        data_digest="d" * 32,
        arguments={"epochs": epochs},
        student=None if cell.kind == "teacher" else student,
        teacher=teacher if taught else None,
        pair=cell.name if taught else None,
        dis=cell.dis,
    )
    seconds = EPOCH_SECONDS * epochs
    return Record(
        identity=identity,
        fingerprint=identity.fingerprint,
        arguments={"epochs": epochs, "imgsz": 96, "batch": 16, "optimizer": "AdamW", "device": "cpu"},
        epochs=epochs,
        parameters=2_500_000,
        gflops=5.4,
        file_bytes=5_300_000,
        weights_digest=identity.fingerprint,
        seconds=seconds,
        peak_memory_mib=900,
        started=STARTED,
        finished=STARTED + seconds,
        environment={"git_commit": "abc", "torch": "2.15.0", "device": "CPU"},
    )
