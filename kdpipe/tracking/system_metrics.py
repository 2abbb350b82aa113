"""Record CPU, memory and GPU use during a training, with MLflow's own monitors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from mlflow.environment_variables import MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

from kdpipe.cells.history import ENDED, append_row, read_rows, write_rows

SYSTEM_FILE = "system.csv"
SECONDS = 10.0  # between two samples, as in MLflow
Heard = Callable[[int, Mapping[str, float], float], None]


class SystemWatch:
    """Samples the machine in a thread, into a CSV file that a resumed training continues."""

    def __init__(self, path: Path, heard: Heard) -> None:
        """Prepare to call `heard` with the number (from 1), values and time (s since 1970) of each sample."""
        self._path = path
        self._heard = heard
        self._stop = Event()
        self._thread = Thread(target=self._work, name="system metrics", daemon=True)

    def start(self) -> None:
        """Start sampling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        monitors = _monitors()
        _sample(monitors)  # the monitors measure use since the previous sample
        before = read_rows(self._path)
        write_rows(self._path, before)  # drops a line that a kill cut short
        count = len(before)
        stopped = False
        while not stopped:
            stopped = self._stop.wait(MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL.get() or SECONDS)
            values, ended = _sample(monitors), time.time()
            count += 1
            with suppress(OSError):  # the training reports a full disk itself
                append_row(self._path, {ENDED: ended, **values})
            self._heard(count, values, ended)


def _monitors() -> list[Any]:
    found: list[Any] = [CPUMonitor()]
    for kind in (GPUMonitor, ROCMMonitor):
        with suppress(Exception):  # there is no such GPU
            return [*found, kind()]
    return found


def _sample(monitors: list[Any]) -> dict[str, float]:
    values: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        values |= {f"system/{name}": float(value) for name, value in monitor.aggregate_metrics().items()}
        monitor.metrics.clear()
    return values
