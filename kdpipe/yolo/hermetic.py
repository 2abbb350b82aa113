"""Keep Ultralytics separate from the user's own Ultralytics settings."""

from __future__ import annotations

import os

from kdpipe.paths import downloads_dir, state_dir, weights_dir

INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


def cpu_threads() -> int:
    """Number of CPU threads: OMP_NUM_THREADS if set, else all cores available to this process."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def isolate() -> None:
    """Set the environment variables that Ultralytics reads at import.

    They give it a settings folder of its own, disable installation with pip and progress bars, allow all
    cores (by default it leaves one idle), and restrict its own loading of checkpoints to parts of models.
    """
    config_dir = state_dir() / "ultralytics"
    config_dir.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_CONFIG_DIR"] = str(config_dir)
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_VERBOSE"] = "false"
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "true"
    os.environ["OMP_NUM_THREADS"] = str(cpu_threads())


def configure() -> None:
    """Switch off all integrations of Ultralytics, and let it use all threads.

    Its MLflow and DVC callbacks would log each run a second time and rewrite dvc.yaml.
    """
    from ultralytics import settings
    from ultralytics.utils import torch_utils

    wanted = {
        **dict.fromkeys(INTEGRATIONS, False),
        "sync": False,
        "datasets_dir": str(downloads_dir()),
        "weights_dir": str(weights_dir()),
        "runs_dir": str(state_dir() / "ultralytics" / "runs"),
    }
    if any(settings[key] != value for key, value in wanted.items()):
        settings.update(wanted)
    torch_utils.NUM_THREADS = cpu_threads()
