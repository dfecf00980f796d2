"""Worker processes that may crash, hang or be killed at any moment, and cost one result each.

Not one of the well-kept pools, because theirs share a queue and its lock between the processes: a
worker that is killed while it holds the lock stops them all, and a pool that breaks forgets what
was just submitted (Pebble 5.2, seen by `benchmarks/kill_resume.py`). Here each worker has a pipe
and a thread of its own.

On Linux, workers are forked by a server process that has imported what they need, because importing
torch takes each of them seconds. The server has one thread, so that no fork loses any.

A worker imports the script that started it. One without a `__main__` guard would do its work again
there, and start workers of its own.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from vidnas.core.errors import UserError, WorkerKilled, WorkerLost
from vidnas.core.process import prepare_process, thread_settings

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

Result = TypeVar("Result")
_Call = tuple[Future[Any], float | None, Callable[..., Any], tuple[Any, ...]]

_FOR_THE_DRIVER = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
"""What a terminal or a scheduler sends to all processes of a job: the driver says what it means. A
worker that ended by itself would look like a candidate's failure."""
_KILLED = {-signal.SIGKILL, 255}
"""Exit codes of a worker that did not end by itself: 255 where the server of workers was killed."""
_MAIN_GUARD = (
    "put what the script does into a function main(), and call it under "
    "if __name__ == '__main__': at its end"
)


def require_main_guard() -> None:
    """Stop a script that does its work again in the worker that imports it.

    Raises:
        UserError: this is such a worker.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UserError(
            f"A worker process imports the script that started it, and must not do its work again; "
            f"{_MAIN_GUARD}."
        )


class WorkerPool:
    """Persistent worker processes; one that dies or hangs is replaced, and only its call fails.

    Workers leave Ctrl-C and signals to end to this process, and end with it, however it ends.

    Args:
        workers: number of processes; each starts with its first call.
        threads: threads per worker.
        timeout_s: time after which a running call is stopped and its worker replaced.
        memory_bytes: what a worker may allocate (enforced on Linux), so that a call gets an
            exception and is not killed.

    Raises:
        UserError: the script that started the workers has no `__main__` guard.
    """

    def __init__(
        self,
        workers: int,
        *,
        threads: int = 1,
        timeout_s: float | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        require_main_guard()
        self.slots = workers
        self.timeout_s = timeout_s
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._workers = [_Worker(threads, memory_bytes) for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=(worker,), daemon=True)
            for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self.shutdown)  # before multiprocessing waits for its children

    def submit(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Run the function in the next free worker.

        Raises:
            RuntimeError: the pool was shut down.
        """
        return self.submit_within(self.timeout_s, function, *args)

    def submit_within(
        self, timeout_s: float | None, function: Callable[..., Result], *args: Any
    ) -> Future[Result]:
        """Run the function as `submit` does, with a time of its own after which it is stopped.

        Raises:
            RuntimeError: the pool was shut down.
        """
        if not any(thread.is_alive() for thread in self._threads):
            raise RuntimeError("This pool of workers was shut down.")
        future: Future[Result] = Future()
        self._calls.put((future, timeout_s, function, args))
        return future

    def shutdown(self) -> None:
        """Stop the workers at once; what was not finished is lost."""
        atexit.unregister(self.shutdown)
        for worker in self._workers:
            worker.stop()
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self, worker: _Worker) -> None:
        while (call := self._calls.get()) is not None:
            future, timeout_s, function, args = call
            try:
                result = worker.call(function, args, timeout_s)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)


class _Worker:
    """One process, its replacements after it, and the pipe to it; used by one thread."""

    _family = threading.Lock()
    """Held to start or bury a process. The environment is changed meanwhile; and starting one reaps
    children that died, which would take their exit code from the thread that waits for it."""

    def __init__(self, threads: int, memory_bytes: int | None) -> None:
        self._threads = threads
        self._memory_bytes = memory_bytes
        self._stopping = threading.Lock()
        self._stopped = False
        self._process: BaseProcess | None = None

    def _start(self) -> BaseProcess:
        """Start a process, unless `stop` was called, and wait until it is ready.

        Raises:
            WorkerLost: the process was stopped or killed.
            UserError: it cannot be started.
        """
        pipe, theirs = multiprocessing.Pipe()
        with self._stopping, self._family, _surroundings(self._threads):
            if self._stopped:
                raise WorkerLost("the worker was stopped")
            process = _context().Process(
                target=_work, args=(theirs, dict(os.environ), self._threads, self._memory_bytes)
            )
            try:
                process.start()
            except (EOFError, ConnectionError) as error:  # the server was killed
                raise WorkerKilled("the worker could not be started") from error
            self._process, self._pipe = process, pipe
        theirs.close()
        try:
            self._receive(process, None)
        except (EOFError, OSError):
            how = self._bury(process)
            if self._stopped or (process.exitcode or 0) <= 0:
                raise WorkerKilled(how) from None
            raise UserError(
                f"The worker processes end as they start (exit code {process.exitcode}): they "
                f"cannot import the script that started them; {_MAIN_GUARD}."
            ) from None
        return process

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], timeout_s: float | None
    ) -> Any:
        """Return the function's result, or raise its exception.

        Raises:
            WorkerLost: the process died, ran out of time or was stopped.
            UserError: the call cannot be pickled, or no process can be started.
        """
        packed = _packed(function, args)
        process = self._process
        if process is None or connection.wait([process.sentinel], 0):  # it died after its last call
            process = self._start()
        try:
            self._pipe.send_bytes(packed)
            self._receive(process, None)  # it begins: its start, and importing torch, do not count
            result, error = self._receive(process, timeout_s)
        except TimeoutError:
            self._bury(process)
            raise WorkerLost(f"took longer than {timeout_s:g} s") from None
        except (EOFError, OSError):  # the pipe's other end is gone
            how = self._bury(process)
            raise (WorkerKilled if process.exitcode in _KILLED else WorkerLost)(how) from None
        if error is not None:
            raise error
        return result

    def _receive(self, process: BaseProcess, timeout_s: float | None) -> Any:
        ready = connection.wait([self._pipe, process.sentinel], timeout_s)
        if not ready:
            raise TimeoutError
        if self._pipe not in ready:  # a child of the worker still holds the pipe's other end
            raise EOFError
        return self._pipe.recv()

    def stop(self) -> None:
        """Kill the process; it is not replaced any more."""
        with self._stopping:
            self._stopped = True
            process = self._process
            if process is not None:
                self._bury(process)

    def _bury(self, process: BaseProcess) -> str:
        """End a process, which most often is dead, and say how it died."""
        with self._family:
            process.kill()  # where the server is gone, a worker only seems to be dead
            process.join()
            self._process = None
        exit_code = process.exitcode
        if self._stopped or exit_code is None:
            return "the worker was stopped"
        how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        return f"the worker died with {how}"


def _packed(function: Callable[..., Any], args: tuple[Any, ...]) -> memoryview:
    """Pickle a call.

    Raises:
        UserError: it cannot be pickled.
    """
    try:
        return ForkingPickler.dumps((function, args))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UserError(
            f"A call cannot be sent to a worker process ({error}); define its functions and "
            "classes at the top level of a module, and give them nothing that is open, such as a "
            "file or a lock."
        ) from error


@contextmanager
def _surroundings(threads: int) -> Iterator[None]:
    """Change what a process inherits while one is started.

    The script that started all this is imported first of all in a worker, and often imports torch:
    the number of threads must be in the environment by then. And Ctrl-C is the driver's business
    from the process's first moment, and so is a signal to end.
    """
    resource_tracker.ensure_running()  # which lets signals through again when it starts
    before = dict(os.environ)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_DRIVER)
    os.environ.update(thread_settings(threads))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for name in thread_settings(threads):
            del os.environ[name]
        os.environ.update(before)


def _context() -> ForkServerContext | SpawnContext:
    """Return how a process is started: on its own, or on Linux forked by a server.

    The server imports those packages of this project that were imported here before it started, and
    so torch. Modules are left out, because all names stand in its command line, for `ps` to show.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    house = __name__.partition(".")[0]
    imported = list(sys.modules.items())  # a copy, because other threads import meanwhile
    packages = [name for name, module in imported if hasattr(module, "__path__")]
    context.set_forkserver_preload([name for name in packages if name.split(".")[0] == house])
    try:
        forkserver.ensure_running()
    except OSError:  # $TMPDIR is too long for a socket, or cannot be written to
        return multiprocessing.get_context("spawn")
    return context


def _work(pipe: Any, environment: dict[str, str], threads: int, memory_bytes: int | None) -> None:
    """Answer calls in a worker process until the driver is gone."""
    os.environ.clear()  # that of the server, which may have changed since
    os.environ.update(environment)
    for number in _FOR_THE_DRIVER:
        signal.signal(number, _leave_to_driver)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_THE_DRIVER)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    prepare_process(threads)
    if "torch" in sys.modules:  # by the server, or by the script that started all this
        sys.modules["torch"].set_num_threads(threads)
    if memory_bytes is not None:
        limit_memory(memory_bytes)
    with suppress(EOFError, ConnectionError):  # the driver is gone
        pipe.send(None)  # ready
        while True:
            _answer(pipe)


def _leave_to_driver(number: int, frame: FrameType | None) -> None:
    """Do nothing, where being ignored would pass on to programs that a worker starts."""


def _answer(pipe: Any) -> None:
    """Wait for a call; send a sign that it begins, and then its result and its error."""
    call = pipe.recv_bytes()
    try:
        function, args = pickle.loads(call)
    except Exception as error:
        function, args = _raise, (error,)
    pipe.send(None)
    try:
        pipe.send((function(*args), None))
    except Exception as error:  # its own, or that of a result which cannot be pickled
        pipe.send((None, error))


def _raise(error: Exception) -> None:
    raise error


def limit_memory(size_bytes: int) -> None:
    """Let this process get an exception, where it can, before the kernel kills it."""
    if sys.platform == "linux":
        import resource

        # Anonymous memory only: the memory-mapped clip cache is shared and does not count.
        resource.setrlimit(resource.RLIMIT_DATA, (size_bytes, size_bytes))


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
