"""Bound the time that a training waits for MLflow, whatever the store does."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread


class Deadline:
    """Seconds that the end of a training waits for MLflow, in all."""

    def __init__(self, seconds: float) -> None:
        """Begin with all of the time left."""
        self.seconds = seconds
        self._left = seconds

    def wait_for(self, thread: Thread, at_most: float = float("inf")) -> bool:
        """Wait for a thread while time is left; return whether it has ended."""
        began = time.monotonic()
        thread.join(max(0.0, min(self._left, at_most)))
        self._left -= time.monotonic() - began
        return not thread.is_alive()

    def run(self, action: Callable[[], object]) -> Exception | None:
        """Run an action while time is left; return its error, or a TimeoutError if it is still running.

        It runs in a daemon thread, which does not keep the process of a finished training alive.
        """
        raised: list[Exception] = []

        def work() -> None:
            try:
                action()
            except Exception as error:
                raised.append(error)

        thread = Thread(target=work, name="mlflow in time", daemon=True)
        if self._left > 0:
            thread.start()
            if self.wait_for(thread):
                return raised[0] if raised else None
        return TimeoutError(f"no answer within {self.seconds:g} s, the tracking.deadline")
