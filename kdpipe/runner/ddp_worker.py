"""One process of a training on several GPUs; torchrun starts it with the work folder and the owner pid."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from threading import Thread

import psutil
from rich.console import Console

from kdpipe.errors import KdpipeError
from kdpipe.runner.ddp import MISTAKE_FILE
from kdpipe.runner.job import Silent, load_job
from kdpipe.runner.loop import train_here
from kdpipe.runner.progress import TrainingProgress
from kdpipe.yolo.hermetic import configure


def main(work: str, owner: str) -> None:
    """Run the training in the folder's job.json; exit if the owner process ends."""
    Thread(target=_end_with, args=(int(owner),), daemon=True).start()
    folder = Path(work)
    configure()
    job = load_job(folder)
    try:
        train_here(job, folder, TrainingProgress(job.identity.cell, Console(quiet=True)), Silent())
    except KdpipeError as error:
        (folder / MISTAKE_FILE).write_text(str(error), encoding="utf-8")
        sys.exit(2)


def _end_with(owner: int) -> None:
    """End this process with its owner: if the owner is killed, torchrun would continue."""
    while psutil.pid_exists(owner):
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
