"""Where evaluations run: in this process or in worker processes, in the shape of futures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import psutil
from typing_extensions import Self

from vidnas.core.process import available_cores
from vidnas.core.workers import WorkerPool

Result = TypeVar("Result")


class Executor(Protocol):
    """Runs functions, `slots` at a time; one that is lost raises `WorkerLost` from its future."""

    @property
    def slots(self) -> int:
        """How many functions run at the same time."""

    def submit(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Run `function(*args)`; both travel to the worker by pickle."""

    def shutdown(self) -> None:
        """Stop at once; what is running is lost."""


@runtime_checkable
class StoppingExecutor(Executor, Protocol):
    """An executor that can stop each function after a time of its own."""

    def submit_within(
        self, timeout_s: float | None, function: Callable[..., Result], *args: Any
    ) -> Future[Result]:
        """Run `function(*args)`; where that takes longer, its future raises `WorkerLost`."""


class InlineExecutor:
    """Runs everything in this process, one after the other: for debugging and tests."""

    slots = 1

    def submit(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Run the function now; the future is done when this returns."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Do nothing: nothing runs any more."""


class LocalExecutor(WorkerPool):
    """Persistent worker processes on this machine, one thread each unless asked otherwise.

    A worker that dies or hangs is replaced and only its own future fails. Workers have a memory
    limit, ignore Ctrl-C and end with this process, however it ends.

    Args:
        workers: number of processes; all cores by default.
        threads: threads per worker.
        timeout_s: time after which a running function is stopped and its worker replaced.
        memory_share: share of the memory available now that all workers together may allocate
            (enforced on Linux), so that a candidate gets an exception and is not killed.

    Raises:
        UserError: the script that started the workers has no `__main__` guard.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        threads: int = 1,
        timeout_s: float | None = None,
        memory_share: float = 0.8,
    ) -> None:
        slots = workers or max(available_cores() // threads, 1)
        memory_bytes = int(memory_share * available_memory_bytes() / slots)
        super().__init__(slots, threads=threads, timeout_s=timeout_s, memory_bytes=memory_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


def available_memory_bytes() -> int:
    """Return the memory that can be allocated without swapping; a container's limit counts."""
    available: int = psutil.virtual_memory().available
    container = Path("/sys/fs/cgroup/memory.max")
    text = container.read_text().strip() if container.exists() else "max"
    return available if text == "max" else min(available, int(text))
