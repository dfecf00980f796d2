"""Where evaluations run: in this process or in worker processes, in the shape of futures."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psutil
from pebble import ProcessExpired, ProcessPool
from typing_extensions import Self

from vidnas.core.process import available_cores, prepare_process
from vidnas.evolution.failures import WorkerLost

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
        """There is nothing to stop."""


class LocalExecutor:
    """Persistent worker processes on this machine, one thread each unless asked otherwise.

    A worker that dies or hangs is replaced and only its own future fails. Workers have a memory
    limit, ignore Ctrl-C and end with this process, however it ends.

    Args:
        workers: number of processes; all cores by default.
        threads: threads a worker.
        timeout_s: time after which a running function is stopped and its worker replaced.
        memory_share: share of the memory available now that all workers together may allocate
            (enforced on Linux), so that a candidate gets an exception and not the kernel's killer.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        threads: int = 1,
        timeout_s: float | None = None,
        memory_share: float = 0.8,
    ) -> None:
        self.slots = workers or max(available_cores() // threads, 1)
        self.timeout_s = timeout_s
        self._memory_bytes = int(memory_share * available_memory_bytes() / self.slots)
        self._threads = threads
        self._pool = self._new_pool()

    def submit(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Run the function in the next free worker."""
        try:
            task = self._pool.schedule(function, args, timeout=self.timeout_s)
        except RuntimeError:  # all workers of the pool died: see `_settle` for what they ran
            self.shutdown()
            self._pool = self._new_pool()
            task = self._pool.schedule(function, args, timeout=self.timeout_s)
        future: Future[Result] = Future()
        task.add_done_callback(lambda done: self._settle(future, done))
        return future

    def shutdown(self) -> None:
        """Stop the workers at once."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.slots,
            initializer=_start_worker,
            initargs=(self._threads, self._memory_bytes),
            context=_WorkerContext(self._threads),
        )

    def _settle(self, future: Future[Any], task: Future[Any]) -> None:
        """Pass a finished task's outcome on, in this module's words."""
        if task.cancelled():
            future.set_exception(WorkerLost("the worker was stopped"))
            return
        error = task.exception()
        if error is None:
            future.set_result(task.result())
        elif isinstance(error, ProcessExpired):
            future.set_exception(WorkerLost(f"the worker died with {_how(error.exitcode)}"))
        elif isinstance(error, concurrent.futures.TimeoutError):
            future.set_exception(WorkerLost(f"took longer than {self.timeout_s:g} s"))
        elif isinstance(error, concurrent.futures.BrokenExecutor):
            future.set_exception(WorkerLost("the workers died before they could start"))
        else:
            future.set_exception(error)


def _how(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def available_memory_bytes() -> int:
    """Memory that can be allocated without swapping; a container's limit counts."""
    available: int = psutil.virtual_memory().available
    container = Path("/sys/fs/cgroup/memory.max")
    text = container.read_text().strip() if container.exists() else "max"
    return available if text == "max" else min(available, int(text))


class _WorkerContext(SpawnContext):
    """Spawns workers that see the right environment when torch is imported.

    The script that started the search is imported first of all in a spawned process, and often
    imports torch: an initialiser would come too late.
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._threads = threads

    def Process(  # type: ignore[override]
        self, *, target: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> SpawnProcess:
        process = _WorkerProcess(target=target, name=name, args=args, kwargs=kwargs)
        process.threads = self._threads
        return process


class _WorkerProcess(SpawnProcess):
    threads: int

    def start(self) -> None:
        variable, before = "OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS")
        # The worker inherits both; Ctrl-C is the driver's business from the first moment.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ[variable] = str(self.threads)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before


def _start_worker(threads: int, memory_bytes: int) -> None:
    """Make a fresh process a worker: threads, memory limit, and an end together with its driver."""
    threading.Thread(target=_end_with_driver, daemon=True).start()
    prepare_process(threads)
    limit_memory(memory_bytes)


def limit_memory(size_bytes: int) -> None:
    """Let this process get an exception, where it can, before the kernel's killer comes."""
    if sys.platform == "linux":
        import resource

        # Anonymous memory only: the memory-mapped clip cache is shared and does not count.
        resource.setrlimit(resource.RLIMIT_DATA, (size_bytes, size_bytes))


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
