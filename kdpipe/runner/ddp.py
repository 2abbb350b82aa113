"""Training on several GPUs: PyTorch starts one process per GPU, and each runs Ultralytics' trainer.

Ultralytics can start the processes itself, but it first deletes the files of an interrupted training.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from kdpipe.cells.history import ENDED, HISTORY_FILE, read_history
from kdpipe.errors import KdpipeError
from kdpipe.params.arguments import ultralytics_arguments
from kdpipe.runner import state
from kdpipe.runner.job import Job, Listener
from kdpipe.runner.progress import TrainingProgress
from kdpipe.yolo.device import devices
from kdpipe.yolo.log import LOG_FILE

WORKER = "kdpipe.runner.ddp_worker"
MISTAKE_FILE = "mistake.txt"  # message of a process that ended with a KdpipeError
POLL = 0.5  # seconds


def train_on_several(job: Job, work: Path, progress: TrainingProgress, listener: Listener) -> None:
    """Train in one process per device; this process only reports the epochs that the first of them records.

    Args:
        job: The training.
        work: Folder of its unfinished state.
        progress: Progress display.
        listener: Gets the metrics of every epoch.

    Raises:
        KdpipeError: as in `train_here`, or if a process ended without a message.
    """
    saved = state.load(work)
    known = saved.epochs if saved else 0
    epochs = int({**ultralytics_arguments(), **job.identity.arguments}["epochs"])
    (work / MISTAKE_FILE).unlink(missing_ok=True)
    job.save(work)
    progress.start(start_epoch=known, epochs=epochs, batches=1)
    count = len(devices(job.identity.arguments))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    command += ["-m", WORKER, str(work), str(os.getpid())]
    with (work / LOG_FILE).open("a", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for epoch, values in _epochs(process, work / HISTORY_FILE, known):
            ended, seconds = values.pop(ENDED), values.pop("seconds")
            values.pop("peak_memory_mib")
            progress.batch()
            progress.epoch(epoch, epochs, seconds, values)
            listener.epoch(epoch, values, ended)
    finally:
        process.terminate()
        process.wait()
    if (work / MISTAKE_FILE).exists():
        raise KdpipeError((work / MISTAKE_FILE).read_text(encoding="utf-8"))
    if process.returncode:
        raise KdpipeError(f"a process of the training ended; {work / LOG_FILE} says why")


def _epochs(
    process: subprocess.Popen[bytes], history: Path, known: int
) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield each recorded epoch after number `known`, with its values, until the training ends."""
    running = True
    while running:
        running = process.poll() is None
        rows = [row for row in read_history(history) if row["epoch"] > known]
        for row in rows:
            known = int(row.pop("epoch"))
            yield known, row
        time.sleep(POLL if running else 0)
