"""Begin and save the stages of a DVC pipeline one by one, while their commands run elsewhere.

It does what `dvc repro` does before and after the command of a stage (dvc/stage/run.py, `Stage.run`), with
DVC's own functions. Like DVC, it holds the lock of the repository for these steps only.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dvc.dvcfile import LOCK_FILE, PROJECT_FILE
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.rwlock import RWLOCK_FILE, rwlock
from dvc.stage import Stage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.run import prepare_kwargs
from dvc.utils.serialize import load_yaml, modify_yaml

from kdpipe.cells.lock_file import mend, mend_rwlock
from kdpipe.environment import of_this_python
from kdpipe.errors import KdpipeError
from kdpipe.parallel.guard import DONE_FILE, LOG_FILE, has_succeeded
from kdpipe.paths import last_change, state_dir

ENOUGH = 4096  # bytes of a log, for its last line
PAUSE = 10  # times as long as dvc.lock took to write, until it is written again


@dataclass(frozen=True)
class Command:
    """What a stage runs: the lines of its `cmd`, its working directory and environment.

    `folder` has its log and, once it has succeeded, `token`, which identifies its dependencies.
    """

    lines: list[str]
    cwd: str
    env: dict[str, str]
    folder: Path
    token: str

    @property
    def last_words(self) -> str:
        """The last line that the command printed."""
        with suppress(FileNotFoundError), (self.folder / LOG_FILE).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - ENOUGH))
            lines = log.read().decode(errors="replace").replace("\r", "\n").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""


class Pipeline:
    """The stages that some targets need, in an order in which they can run."""

    def __init__(self, root: Path, targets: Sequence[str] = ()) -> None:
        """Read dvc.yaml.

        Raises:
            KdpipeError: with DVC's message, if dvc.yaml is wrong or has no such target.
        """
        try:
            graph = self._read(root, targets)
        except DvcException as error:
            if not mend(str(error)):
                raise KdpipeError(str(error)) from error
            graph = self._read(root, targets)
        self.before = {stage: set(graph.successors(stage)) for stage in self.stages}
        self._held: dict[Stage, ExitStack] = {}
        self._lock_file = root / LOCK_FILE
        self._known = set(load_yaml(self._lock_file)["stages"]) if self._lock_file.exists() else set()
        self._saved: set[str] = set()
        self._unwritten: list[Stage] = []
        self._next_write = 0.0

    def _read(self, root: Path, targets: Sequence[str]) -> Any:
        """Open the repository, set `stages`, and return the graph of all stages."""
        self._repo = Repo(str(root), _wait_for_lock=True)
        with self._repo.lock:
            mend_rwlock(Path(self._repo.tmp_dir) / RWLOCK_FILE)
            graph = get_active_graph(self._repo.index.graph)
            wanted = collect_stages(self._repo, targets or [PROJECT_FILE])
            self.stages: list[Stage] = plan_repro(graph, wanted)
        return graph

    def begin(self, stage: Stage) -> Command | None:
        """Return the command to run for a stage; None if the stage is up to date or restored from the cache.

        Raises:
            KdpipeError: with DVC's message.
        """
        with self._alone():
            if not stage.changed(upstream=list(self.before[stage])):
                return None
            if stage.frozen or not stage.cmd:
                stage.reproduce(upstream=list(self.before[stage]))
                stage.dump(update_pipeline=False)
                return None
            folder = stage_dir(stage)
            if not self._has_run(stage, folder):
                stage.remove_outs(ignore_remove=False, force=False)
                try:
                    self._repo.stage_cache.restore(stage)
                except RunCacheNotFoundError:
                    stage.save_deps()
                    return self._command(stage, folder)
            self._commit(stage)
            self._write_soon([stage])
            return None

    def save(self, stages: Iterable[Stage]) -> dict[Stage, str]:
        """Save the outputs of stages in the cache, and soon in the lock file; return the errors by stage."""
        saved, failed = [], {}
        with self._alone():
            for stage in stages:
                self.release(stage)
                try:
                    self._commit(stage)
                    saved.append(stage)
                except (DvcException, OSError) as error:
                    failed[stage] = str(error)
            self._write_soon(saved)
        return failed

    def release(self, stage: Stage) -> None:
        """Unlock the files of a stage, whether it succeeded or not."""
        self._held.pop(stage, ExitStack()).close()

    def close(self) -> None:
        """Write the rest, sort new stages into the order of `dvc repro`, and close the repository."""
        with ExitStack() as each:  # also if one fails: at its exit, Python would hang in what is left
            for stage in list(self._held):
                each.callback(self.release, stage)
        if self._unwritten:
            with self._alone():
                self._write()
        new = [stage.name for stage in self.stages if stage.name in self._saved - self._known]
        if new:
            with self._alone(), modify_yaml(self._lock_file) as content:
                for name in new:
                    content["stages"][name] = content["stages"].pop(name)
        self._repo.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with self._repo.lock, undisturbed(), self._repo.scm_context(quiet=True):
                yield
        except DvcException as error:
            raise KdpipeError(str(error)) from error

    def _has_run(self, stage: Stage, folder: Path) -> bool:
        """Whether its command has already succeeded with the current dependencies, but was not saved."""
        done = folder / DONE_FILE
        changed = (last_change(Path(out.fs_path)) for out in stage.outs)
        if not done.exists() or max(changed, default=0.0) > done.stat().st_mtime:
            return False  # nor if the outputs are of a later `dvc repro` or `dvc checkout`
        twin = self._repo.stage.load_one(stage.path, stage.name)
        twin.save_deps()
        return has_succeeded(folder, _token(twin)) and all(out.exists for out in stage.outs)

    def _command(self, stage: Stage, folder: Path) -> Command:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (LOG_FILE, DONE_FILE):
            (folder / name).unlink(missing_ok=True)
        self._hold(stage)
        lines = stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()
        given = prepare_kwargs(stage)
        return Command(lines, given["cwd"], of_this_python(given["env"]), folder, _token(stage))

    def _hold(self, stage: Stage) -> None:
        """Lock the files of a stage for other DVC processes, as DVC does while a command runs."""
        paths = ([item.fs_path for item in items] for items in (stage.deps, stage.outs))
        hardlink = self._repo.config["core"].get("hardlink_lock", False)
        held = self._held[stage] = ExitStack()
        held.enter_context(rwlock(self._repo.tmp_dir, self._repo.fs, " ".join(sys.argv), *paths, hardlink))

    def _commit(self, stage: Stage) -> None:
        stage.save(run_cache=_in_run_cache(stage))
        message = f"DVC's cache could not take all outputs of {stage.addressing}; is its disk full?"
        try:
            stage.commit()
        except OSError as error:
            raise DvcException(f"{message} ({error})") from error
        if not stage.outs_cached():  # DVC would go on, and write into dvc.lock what it does not have
            raise DvcException(message)
        (stage_dir(stage) / DONE_FILE).unlink(missing_ok=True)  # now DVC has the result

    def _write_soon(self, stages: Sequence[Stage]) -> None:
        """Write stages into dvc.lock, unless that takes much time; after a kill the run cache has them."""
        self._unwritten += stages
        if time.monotonic() >= self._next_write or not all(map(_in_run_cache, stages)):
            self._write()

    def _write(self) -> None:
        began = time.monotonic()
        for path in dict.fromkeys(stage.path for stage in self._unwritten):
            of_one = [stage for stage in self._unwritten if stage.path == path]
            of_one[0].dvcfile.dump_stages(of_one, update_pipeline=False)
        self._saved |= {stage.name for stage in self._unwritten if stage.path_in_repo == PROJECT_FILE}
        self._unwritten = []
        self._next_write = time.monotonic() + PAUSE * (time.monotonic() - began)


def _in_run_cache(stage: Stage) -> bool:
    """Whether DVC's run cache takes the outputs of a stage."""
    return all((out.use_cache or out.is_metric or out.is_plot) and not out.persist for out in stage.outs)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Delay Ctrl-C: DVC writes its files in place, and an interruption would leave half a file."""
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if caught:
            raise KeyboardInterrupt


def stage_dir(stage: Stage) -> Path:
    """Return the folder with the log of a stage and the state of its last run."""
    return state_dir() / "stages" / quote(stage.addressing, safe="@")


def _token(stage: Stage) -> str:
    """Return a digest of the command and its saved dependencies."""
    known = [stage.cmd, *(f"{dep}: {dep.hash_info.value}" for dep in stage.deps)]
    return hashlib.sha256(json.dumps(known, default=str).encode()).hexdigest()
