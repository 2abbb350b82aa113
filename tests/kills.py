"""Kill the pipeline at random moments, and count the epochs that are trained twice.

    python -m tests.kills 200

A round is a pipeline from nothing to its end, with `dvc repro` or `kdpipe repro`, killed again and again.
What comes out is compared with a pipeline that nobody disturbed: weights, histories, metrics and the runs in
MLflow.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil
import torch

from kdpipe.cells.history import read_history
from kdpipe.cells.record import load_metrics
from tests.project import Project, fresh_clone

COMMANDS = ("dvc repro", "kdpipe repro")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
TIMES = ("seconds", "ended", "peak_memory_mib")
KDPIPE_TARGETS = ("group", "main", "stage", "worker", "guard")
DVC_TARGETS = ("group", "main", "stage")
PATIENCE = 900.0  # seconds for a run, and for what outlives it


@dataclass
class Epochs:
    """The times at which epochs ended, as soon as their state was saved, seen from outside."""

    folder: Path
    seen: dict[tuple[int, str, int], set[float]] = field(default_factory=lambda: defaultdict(set))
    round: int = 0

    def look(self) -> None:
        """Note each epoch that a continued training must not repeat."""
        for work in (self.folder / ".kdpipe/work").glob("*"):
            with suppress(OSError, ValueError):
                saved = max((path.stat().st_mtime for path in work.glob("state*.pt")), default=0.0)
                for row in read_history(work / "history.csv"):
                    if row["ended"] < saved:
                        self.seen[self.round, work.name, int(row["epoch"])].add(row["ended"])
            with suppress(OSError, ValueError):
                for row in read_history(work / "finished/history.csv"):
                    self.seen[self.round, work.name, int(row["epoch"])].add(row["ended"])

    @property
    def twice(self) -> int:
        """Epochs that were trained again although they had been saved."""
        return sum(len(times) - 1 for times in self.seen.values())


class Killer:
    """A pipeline that is killed."""

    def __init__(self, start: Path, targets: tuple[str, ...], seed: int) -> None:
        """Prepare.

        Args:
            start: A project as it is before each round, which runs in a copy of it.
            targets: Stages to run; all if empty.
            seed: Another one kills at other moments.
        """
        self.start, self.targets = start, targets
        self.project = Project(start.with_name("project"))
        self.chance = np.random.default_rng(seed)
        self.epochs = Epochs(self.project.folder)
        self.kills: Counter[str] = Counter()
        self.seconds = 0.0  # that a run takes
        self._ended = Event()

    def undisturbed(self) -> dict[str, Any]:
        """Run once without kills, and return what came out."""
        self.reset()
        start = time.monotonic()
        answer = self._wait(self._start("dvc repro"))
        assert answer == 0, self._said()
        self.seconds = time.monotonic() - start
        return self.outcome()

    def rounds(self, kills: int, commands: tuple[str, ...], expected: dict[str, Any]) -> None:
        """Kill so many times, and finish the last round.

        Args:
            kills: Number of kills.
            commands: What is run, round after round.
            expected: What must come out of every round.
        """
        watcher = Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            while self.kills.total() < kills:
                self.reset()
                self._round(commands[self.epochs.round % len(commands)], kills)
                self.check(expected)
                self.epochs.round += 1
                trained_twice = f"{self.epochs.twice} epochs trained twice"
                self.tell(f"after {self.kills.total()} kills as if nothing had happened, {trained_twice}")
        finally:
            self._ended.set()
            watcher.join()

    @staticmethod
    def tell(line: str) -> None:
        """Print a line at once."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def reset(self) -> None:
        """Back to the start."""
        shutil.rmtree(self.project.folder, ignore_errors=True)
        shutil.copytree(self.start, self.project.folder, symlinks=True)

    def check(self, expected: dict[str, Any]) -> None:
        """Everything came out as if nothing had happened, and nothing is left behind."""
        found = self.outcome()
        for name, value in expected.items():
            assert _same(found[name], value), f"{name}: {found[name]} instead of {value}"
        folder = self.project.folder
        assert "up to date" in self.project.run("dvc", "status", *self.targets).stdout
        _wait_until(lambda: not self._processes(), "processes are left behind")
        left = [str(path.relative_to(folder)) for path in (folder / ".kdpipe/work").rglob("*")]
        assert not left, f"left behind: {left}"
        assert not list((folder / ".kdpipe/running").glob("*.json"))
        assert not list((folder / ".kdpipe/waiting").glob("*/*"))

    def outcome(self) -> dict[str, Any]:
        """Weights, histories and metrics of every training, and the runs in MLflow."""
        folder, found = self.project.folder, {}
        for path in sorted([*folder.glob("models/teachers/*/best.pt"), *folder.glob("runs/**/best.pt")]):
            name = path.parent.relative_to(folder)
            found[f"weights of {name}"] = torch.load(path, weights_only=False)["model"].state_dict()
            rows = read_history(path.with_name("history.csv"))
            found[f"history of {name}"] = [
                {key: value for key, value in row.items() if key not in TIMES} for row in rows
            ]
        for path in sorted(folder.glob("runs/**/metrics.json")):
            found[f"metrics of {path.parent.relative_to(folder)}"] = {
                (split, head, key): value
                for split, heads in load_metrics(path.parent).items()
                for head, values in heads.items()
                for key, value in values.items()
                if not key.startswith("ms/")
            }
        self.project.run("kdpipe", "sync")
        found["runs in MLflow"] = self._runs()
        return found

    def _runs(self) -> list[tuple[Any, ...]]:
        """Training, status and logged epochs of every run."""
        with sqlite3.connect(self.project.folder / "mlflow.db") as database:
            runs = database.execute(
                "select value, status, run_uuid from runs join tags using (run_uuid) "
                "where key = 'cell' and lifecycle_stage = 'active' order by value"
            ).fetchall()
            query = (
                "select key, step, value from metrics where run_uuid = ? and key like 'train/%' "
                "order by key, step, value"
            )
            return [(cell, status, *database.execute(query, [run]).fetchall()) for cell, status, run in runs]

    def _round(self, command: str, kills: int) -> None:
        """Run until it ends by itself."""
        disturbed = False
        mended = 0
        process = self._start(command)
        while True:
            if process.poll() is None and self.kills.total() < kills and self._moment(process):
                disturbed |= self._kill(process, command)
                if self.chance.random() < 0.5:
                    time.sleep(self.chance.uniform(0.0, 3.0))
                continue
            code = self._wait(process)
            if code == 0:
                return
            said = self._said()
            if not disturbed:  # DVC's own files may have been cut short
                assert "RWLock" in said or "dvc.lock" in said, said
                assert mended < 1, said
                self.project.run("kdpipe", "check")
                mended += 1
            else:
                mended = 0
            disturbed = False
            process = self._start(command)

    def _moment(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the moment of the next kill; return False if the run has ended before."""
        folder = self.project.folder
        kind = self.chance.choice(["any", "state", "end", "commit", "late"])
        known = {"end": self._found("finished*"), "commit": self._found("finished")}
        if kind == "state":
            self._until(process, lambda: any((folder / ".kdpipe/work").glob("*/*.part")))
        elif kind == "end":
            self._until(process, lambda: self._found("finished*") - known["end"])
            time.sleep(self.chance.uniform(0.0, 0.3))
        elif kind == "commit":
            self._until(process, lambda: self._found("finished") - known["commit"])
            time.sleep(self.chance.uniform(0.0, 4.0))
        else:
            longest = self.seconds / (4 if kind == "any" else 2)
            moment = time.monotonic() + self.chance.uniform(0.0, longest)
            self._until(process, lambda: time.monotonic() > moment)
        return process.poll() is None

    def _found(self, pattern: str) -> set[Path]:
        return set((self.project.folder / ".kdpipe/work").glob(f"*/{pattern}"))

    @staticmethod
    def _until(process: subprocess.Popen[bytes], what: Callable[[], object]) -> None:
        while process.poll() is None and not what():
            time.sleep(0.002)

    def _kill(self, process: subprocess.Popen[bytes], command: str) -> bool:
        """Kill something of a run; return whether there was such a thing."""
        targets = DVC_TARGETS if command == "dvc repro" else KDPIPE_TARGETS
        target, number = str(self.chance.choice(targets)), int(self.chance.choice(SIGNALS))
        if target == "group":
            for found in self._processes():
                with suppress(psutil.NoSuchProcess):
                    found.send_signal(number)
        elif target == "main":
            process.send_signal(number)
        else:
            words = {"stage": "pipelines.", "worker": "ray::", "guard": "guard.py"}[target]
            candidates = [found for found in self._processes() if words in _line(found)]
            if target == "stage":
                candidates = [found for found in candidates if "guard.py" not in _line(found)]
            if not candidates:
                return False
            with suppress(psutil.NoSuchProcess):
                candidates[int(self.chance.integers(len(candidates)))].send_signal(number)
        self.kills[f"{command}: {target}"] += 1
        if target in ("group", "main"):
            process.wait(PATIENCE)
        return True

    def _processes(self) -> list[psutil.Process]:
        """Everything that runs in the project, whoever started it."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied, OSError):
                if process.pid != os.getpid() and Path(process.cwd()) == self.project.folder:
                    found.append(process)
        return found

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        self._log = (self.project.folder.parent / "log.txt").open("w")
        return subprocess.Popen(
            [*command.split(), *(("--jobs", "2") if command.startswith("kdpipe") else ()), *self.targets],
            cwd=self.project.folder,
            env=self.project.environment | {"KDPIPE_WARM": "1"},
            start_new_session=True,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(PATIENCE)
        finally:
            self._log.close()

    def _said(self) -> str:
        return (self.project.folder.parent / "log.txt").read_text()

    def _watch(self) -> None:
        while not self._ended.wait(0.03):
            self.epochs.look()


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def _same(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict) and all(isinstance(value, torch.Tensor) for value in expected.values()):
        return found.keys() == expected.keys() and all(
            torch.equal(found[key], expected[key]) for key in expected
        )
    return bool(found == expected)


def _wait_until(what: Callable[[], object], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)


def killed(kills: int, seed: int) -> tuple[Counter[str], int]:
    """Kill a pipeline so many times; return how often what was killed, and the epochs trained twice."""
    with tempfile.TemporaryDirectory() as temporary:
        killer = Killer(fresh_clone(Path(temporary) / "start", real_models=True).folder, (), seed)
        killer.rounds(kills, COMMANDS, killer.undisturbed())
    return killer.kills, killer.epochs.twice


def main(kills: int) -> None:
    """Kill two pipelines side by side: one keeps one core busy most of the time."""
    shares = [kills - kills // 2, kills // 2]
    with ProcessPoolExecutor(len(shares), get_context("spawn")) as processes:
        found = list(processes.map(killed, shares, range(len(shares))))
    counts, twice = sum((count for count, _ in found), Counter()), sum(epochs for _, epochs in found)
    for target, count in sorted(counts.items()):
        Killer.tell(f"{target} killed {count} times")
    Killer.tell(f"{counts.total()} kills, {twice} epochs trained twice")
    sys.exit(twice > 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
