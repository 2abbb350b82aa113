"""How long tracking takes, and how that grows with the number of runs.

    python benchmarks/tracking.py [--records N] [--runs N] [--epochs N]

Records of trainings are made up, and brought into a fresh sqlite store in steps: `sync` of the first N
records is timed, and the report over all runs that are there after each step, `sync` of nothing new
included. Then the processor time that logging an epoch costs the process that trains.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import made_up
from kdpipe.cells.cell import all_cells, baseline_cell
from kdpipe.cells.record import load_record
from kdpipe.params.schema import Tracking
from kdpipe.stages.report import report_cells, sync_cells
from kdpipe.tracking import Deadline, LiveRun, RunStart

EPOCHS_LOGGED = 100


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def sync_and_report(runs: int, epochs: int) -> tuple[float, float]:
    """Time to sync the runs that are not there yet, and for the report over all of them."""
    params = made_up.params(max(1, round(runs / made_up.CELLS_OF_A_PAIR)))
    cells = list(all_cells(params))
    made_up.finish([cell for cell in cells if not cell.train_dir.exists()], params, epochs)
    synced = seconds(lambda: sync_cells(params))
    os.sync()  # what was written until here is not the report's matter
    reported = seconds(lambda: report_cells(params, []))
    print(f"{len(cells):>6} runs: sync of the new ones {synced:.1f} s, report {reported:.1f} s", flush=True)
    return synced, reported


def logging_cost() -> float:
    """Processor seconds per epoch that live logging costs, in whatever thread."""
    record = load_record(baseline_cell("s0", 0).train_dir)
    values = dict.fromkeys(made_up.EPOCH_METRICS, 0.5)
    begun = RunStart(record.identity, record.environment, time.time(), Path())
    with LiveRun(Tracking(), begun, Console(), Deadline(Tracking().deadline)) as run:
        time.sleep(5)  # the run is opened
        before = time.process_time()
        for epoch in range(EPOCHS_LOGGED):
            run.epoch(epoch, values, time.time())
            time.sleep(0.05)
        return (time.process_time() - before) / EPOCHS_LOGGED


def main() -> None:
    """Print the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--records", type=int, default=1000, help="records of the first sync")
    parser.add_argument("--runs", type=int, default=10_000, help="runs of the last report")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each training")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        synced, reported = sync_and_report(options.records, options.epochs)
        for part in (0.25, 0.5, 1.0):
            if options.runs * part > options.records:
                _, reported = sync_and_report(round(options.runs * part), options.epochs)
        print(f"logging an epoch: {1000 * logging_cost():.1f} ms of processor time")
        os.chdir("/")
    print(
        f"sync {options.records} records: {synced:.1f} s; report over {options.runs} runs: {reported:.1f} s"
    )


if __name__ == "__main__":
    main()
