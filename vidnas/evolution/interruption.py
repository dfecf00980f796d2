"""Ctrl-C during a search: once to finish what is in flight, twice to stop at once. A scheduler that
ends the process, or a terminal that is closed, gives no time for more than the second."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class CtrlC:
    """Counts Ctrl-C in the main thread; from the second one on it raises `KeyboardInterrupt`, and
    so do signals that end the process, unless somebody else handles or ignores them."""

    def __init__(self) -> None:
        self._presses = 0
        self._held_back = False

    @property
    def pressed(self) -> bool:
        """Whether Ctrl-C was pressed, so that the search is to end."""
        return self._presses > 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch for Ctrl-C; outside the main thread there is nothing to watch."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [one for one in _ENDINGS if signal.getsignal(one) == signal.SIG_DFL]
        before = {one: signal.signal(one, self._press) for one in (signal.SIGINT, *numbers)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Hold Ctrl-C back until the block ends: a trial is recorded whole, or not at all.

        What was raised before has been heard: it does not keep the next trial from being recorded.
        """
        heard = max(self._presses, 1)
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False
        if self._presses > heard:
            raise KeyboardInterrupt

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._presses += 1 if number == signal.SIGINT else 2
        if self._presses > 1 and not self._held_back:
            raise KeyboardInterrupt
