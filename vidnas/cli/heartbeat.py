"""A sign of life where nothing can be redrawn: in a pipe, a log file, a scheduler's output."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SILENCE_S = 30.0
"""How long a job may say nothing."""


class Heartbeat:
    """Calls a function, in a thread of its own, whenever a job has been silent for a while.

    Args:
        beat: says how the job stands.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stopped = threading.Event()
        self._heard = time.monotonic()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        self.heard()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def heard(self) -> None:
        """Take note that the job has said something."""
        self._heard = time.monotonic()

    def stop(self) -> None:
        """Be silent from now on."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(max(self._heard + SILENCE_S - time.monotonic(), 0.0)):
            if time.monotonic() - self._heard >= SILENCE_S:
                self._beat()
                self.heard()
