"""Processes that tests start, and what they wait for."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from typing import Any


def forkserver() -> ForkServerContext:
    """Processes forked from one that has imported everything and computed nothing: they start at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        # What the tests import, and what a training imports later.
        [
            "tests.runner.test_runner",
            "tests.tracking.test_server",
            "matplotlib.pyplot",
            "mlflow.store.db.utils",
            "mlflow.store.tracking.sqlalchemy_store",
            "torch._inductor.config",
            "torchvision",
            "tests.frozen",
        ]
    )
    return context


def wait_for(what: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait until something is there, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found
