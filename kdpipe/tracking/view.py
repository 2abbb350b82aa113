"""A saved view of the experiment: its arms as groups with their means, costs in the last columns.

MLflow's UI keeps such views as tags of the experiment; the format is that of its button *Share* (3.17).
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Collection, Sequence

from kdpipe.tracking.fields import ARM
from kdpipe.tracking.store import Store

KEY, NAME = "kdpipe", "Arms of the comparison"
TAG = f"mlflow.sharedViewState.{KEY}"
REPORTED = "reported"  # tag of the trainings in the report
WIDTH = 170  # pixels
RUN_NAME = "attributes.`Run Name`"
MOST_ARMS = 100  # a tag of an experiment has at most 5,000 characters
SHOWN_COSTS = ("cost/seconds", "cost/peak_memory_mib", "cost/parameters", "cost/gflops")


def view_page(experiment_id: str) -> str:
    """Return the path of the experiment's list of runs in MLflow's UI, in the saved view."""
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={KEY}"


def save_view(store: Store, metrics: Sequence[str], arms: Collection[str]) -> None:
    """Save the view if it is not there, or another one.

    Args:
        store: The store with the experiment.
        metrics: The metrics in the first columns; groups are sorted by the first one.
        arms: The arms, whose trainings are hidden until somebody opens the group.
    """
    view = _view(metrics, arms)
    if store.client.get_experiment(store.experiment_id).tags.get(TAG) != view:
        store.client.set_experiment_tag(store.experiment_id, TAG, view)


def _view(metrics: Sequence[str], arms: Collection[str]) -> str:
    columns = [f"metrics.`{name}`" for name in metrics]
    params = [f"params.`{name}`" for name in ("seed", "train.epochs", "data.source")]
    costs = [f"metrics.`{name}`" for name in SHOWN_COSTS]
    state = {
        "searchFilter": f"tags.{REPORTED} = 'yes'",
        "orderByKey": columns[0],
        "orderByAsc": False,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": ARM}]},
        "selectedColumns": [*columns, *params, *costs],
        "columnOrder": [RUN_NAME, *columns, *params, *costs],
        "columnWidths": {RUN_NAME: 1.5 * WIDTH, **dict.fromkeys([*columns, *costs], WIDTH)},
        "groupsExpanded": {f"param.{ARM}.{arm}": False for arm in sorted(arms)[:MOST_ARMS]},
        "runsHiddenMode": "SHOW_ALL",
    }
    packed = b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": NAME, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})
