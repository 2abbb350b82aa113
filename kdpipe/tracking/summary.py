"""Show the report in MLflow: its numbers, sentences and files on the parent run of its last training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Run, RunTag

from kdpipe.params.schema import PARAMS_FILE, Tracking
from kdpipe.paths import project_root
from kdpipe.tracking.errors import reachable
from kdpipe.tracking.fields import NOTE, arm_of, metrics
from kdpipe.tracking.finished import FinishedCell
from kdpipe.tracking.parents import state_of
from kdpipe.tracking.store import Store
from kdpipe.tracking.view import REPORTED, save_view

FILES = ("index.html", "benchmark.md", "metrics.json", "plots")
DIGEST = "report_digest"
BETWEEN, LONGEST = "\n\n", 4900  # characters; MLflow's tags of an experiment have at most 5,000
WRITTEN = "kdpipe.note"  # of an experiment: the note as it was written here


def publish_report(
    tracking: Tracking,
    folder: Path,
    answers: Sequence[str],
    shown: Sequence[str],
    finished: Sequence[FinishedCell],
) -> None:
    """Make MLflow show what the report says.

    The parent run of params.yaml as it is now, at the commit of the last training, gets metrics and files.
    The experiment gets the answers as its note, unless somebody wrote another one, and a view of the arms; a
    `dvc exp` experiment in a temporary folder leaves these as they are.

    Args:
        tracking: The MLflow settings of params.yaml.
        folder: The folder of the report.
        answers: A sentence per pair.
        shown: The metrics of a training that the view shows first.
        finished: The trainings of the report, whose runs are in MLflow.

    Raises:
        KdpipeError: if the store cannot be used.
    """
    with reachable(tracking):
        store, note = Store(tracking), _note(answers)
        last = max((done.record for done in finished), key=lambda record: record.finished)
        state = state_of(Path(PARAMS_FILE), last.environment["git_commit"])
        parent = store.client.get_run(store.parent(state, started=last.started, finished=last.finished))
        if parent.data.tags.get(DIGEST) != (digest := _digest(folder)):
            _publish(store, parent, folder, note)
            store.client.set_tag(parent.info.run_id, DIGEST, digest)
        if project_root() == Path.cwd():
            _mark_reported(store, {done.record.fingerprint for done in finished})
            save_view(store, shown, {arm_of(done.record.identity) for done in finished})
            _write_note(store, note)


def _note(answers: Sequence[str]) -> str:
    """Return as many answers as a tag of an experiment has room for."""
    ends = list(accumulate(len(answer) + len(BETWEEN) for answer in answers))
    kept = [answer for answer, end in zip(answers, ends, strict=True) if end <= LONGEST]
    more = [f"{len(answers) - len(kept)} more are in the table."] if len(kept) < len(answers) else []
    return BETWEEN.join([*kept, *more])


def _publish(store: Store, parent: Run, folder: Path, note: str) -> None:
    run_id, found = parent.info.run_id, parent.data.metrics
    said: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    values = {name: value for name, value in _flat(said) if found.get(name) != value}
    store.client.log_batch(run_id, _metrics(store, run_id, values, found), tags=[RunTag(NOTE, note)])
    for path in (folder / name for name in FILES):
        if path.is_dir():
            store.client.log_artifacts(run_id, str(path), path.name)
        elif path.exists():
            store.client.log_artifact(run_id, str(path))


def _flat(said: Mapping[str, Any], *above: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers of nested mappings, with the names of their levels joined by slashes."""
    for name, value in said.items():
        if isinstance(value, Mapping):
            yield from _flat(value, *above, name)
        elif value is not None:
            yield "/".join([*above, name]), float(value)


def _metrics(
    store: Store, run_id: str, values: Mapping[str, float], shown: Mapping[str, float]
) -> list[Metric]:
    """Return metrics of new values at step 0, which MLflow draws as bars, and of others at the next step."""
    new = {name: value for name, value in values.items() if name not in shown}
    found = metrics(new, 0.0, 0)
    for name in values.keys() - new.keys():
        found += metrics({name: values[name]}, 0.0, len(store.client.get_metric_history(run_id, name)))
    return found


def _mark_reported(store: Store, fingerprints: set[str]) -> None:
    """Tag the runs of the report's trainings, and no others: the view shows these."""
    for fingerprint, runs in store.runs().of_cells.items():
        for run in runs:
            if fingerprint in fingerprints and REPORTED not in run.data.tags:
                store.client.set_tag(run.info.run_id, REPORTED, "yes")
            elif fingerprint not in fingerprints and REPORTED in run.data.tags:
                store.client.delete_tag(run.info.run_id, REPORTED)


def _write_note(store: Store, note: str) -> None:
    tags = store.client.get_experiment(store.experiment_id).tags
    if tags.get(NOTE, "") in ("", tags.get(WRITTEN)) and tags.get(NOTE) != note:
        # In this order: one that is interrupted in between is taken for a note of somebody else's at worst.
        for name in (NOTE, WRITTEN):
            store.client.set_experiment_tag(store.experiment_id, name, note)


def _digest(folder: Path) -> str:
    """Digest of the report's files, 32 hex digits."""
    digest = hashlib.sha256()
    for name in FILES:
        path = folder / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(file.name.encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:32]
