"""Candidates on the nodes of a Ray cluster, in the shape of futures."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, Literal, TypeVar

from typing_extensions import Self

from vidnas.core import UserError, WorkerKilled, WorkerLost
from vidnas.core.process import prepare_process
from vidnas.core.workers import limit_memory

try:
    import ray
    from ray import exceptions
except ImportError as error:
    raise UserError(
        "Ray is not installed; run pip install 'vidnas[ray]', or search without a cluster."
    ) from error

Result = TypeVar("Result")

_TRIES = 5
"""How many nodes a function may outlive: one that takes its node down must end as well."""
_MOST_IN_FLIGHT = 10_000
_ROOM_TO_SPARE = 1.5
"""How much of a GPU's memory a candidate may need, over what the largest so far needed."""
_CONTEXT_BYTES = 600 << 20
"""How much of a GPU's memory CUDA itself takes in each process."""


class RayExecutor:
    """Workers on the nodes of a Ray cluster, which may come and go.

    What a lost node was running is run again on another; a worker that dies or hangs is replaced
    and only its own future fails. Workers are persistent, so that each imports torch once. A worker
    may allocate its share of the memory that Ray found on its node, unless it computes on a GPU.

    Args:
        address: "host:port" of the cluster's head, "auto" for the cluster that this machine is a
            node of, "local" for a new one of this machine alone; if unset, "auto" or else "local".
            A session of Ray that the script has opened already is used, and left open.
        threads: threads per worker, each with a core of its own.
        gpus_per_candidate: share of a GPU that a worker holds: with 0.25, four use one GPU. With
            "auto" the first candidates have a GPU each, and how much of its memory they need is
            measured: from then on as many share one as have room.
        timeout_s: time after which a running function is stopped; waiting for a node is free.

    Raises:
        UserError: there is no such cluster, or none of its nodes has room for one candidate.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        threads: int = 1,
        gpus_per_candidate: float | Literal["auto"] = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._threads = threads
        self._measure = _gpu_memory_used if gpus_per_candidate == "auto" else None
        self._gpus = 1.0 if gpus_per_candidate == "auto" else gpus_per_candidate
        self._largest = 0.0
        self._disconnect = not ray.is_initialized()
        if self._disconnect:
            _connect(address)
        if not self._room():
            self._leave()
            raise UserError(
                f"No node of the Ray cluster has the {threads} core(s) and {self._gpus:g} "
                "GPU that a candidate needs; add a node, or ask for less."
            )
        self._task = ray.remote(_run)
        self._running: set[Any] = set()
        self._stopped = False
        # A thread for each candidate in flight: it only waits.
        self._waiting = ThreadPoolExecutor(_MOST_IN_FLIGHT)

    @property
    def slots(self) -> int:
        """How many functions the nodes have room for now; at least one, which then waits."""
        return max(self._room(), 1)

    def submit(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Run the function on the next node that has room."""
        # Packed here: a worker must be prepared before it unpacks what imports torch.
        return self._waiting.submit(self._outlive, ray.cloudpickle.dumps((function, args)))

    def shutdown(self) -> None:
        """Stop at once; leave the cluster as it was."""
        self._stopped = True
        for items in list(self._running):
            ray.cancel(items, force=True)
        self._waiting.shutdown()
        self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def _leave(self) -> None:
        if self._disconnect:
            ray.shutdown()

    def _room(self) -> int:
        return sum(self._places(node["Resources"]) for node in ray.nodes() if node["Alive"])

    def _places(self, resources: Mapping[str, float]) -> int:
        places = int(resources.get("CPU", 0)) // self._threads
        if self._gpus:
            # Ray counts in steps of 1/10,000: three thirds are one GPU.
            places = min(places, int(resources.get("GPU", 0) / self._gpus + 1e-4))
        return places

    def _outlive(self, payload: bytes) -> Any:
        """Return the function's result, or raise what it raised, on one node or another."""
        for _ in range(_TRIES):
            try:
                return self._run_once(payload)
            except (exceptions.NodeDiedError, exceptions.ObjectLostError):
                continue
            except exceptions.OutOfMemoryError as error:
                # By Ray, because its node had no more: perhaps because of others.
                raise WorkerKilled("the worker ran out of memory and was killed") from error
            except exceptions.WorkerCrashedError as error:
                raise WorkerLost("the worker died") from error
            except exceptions.TaskCancelledError as error:
                raise WorkerLost("the worker was stopped") from error
            except exceptions.RayTaskError as error:
                raise error.cause from None  # as raised there, without Ray's copy of the traceback
            except exceptions.RayError as error:  # not the candidate's fault
                raise UserError(
                    f"The Ray cluster is gone ({type(error).__name__}); start it and run the same "
                    "command again, which resumes the search."
                ) from error
        raise WorkerLost(f"the worker's node died, {_TRIES} times")

    def _run_once(self, payload: bytes) -> Any:
        if self._stopped:
            raise WorkerLost("the worker was stopped")
        task = self._task.options(
            num_cpus=self._threads,
            num_gpus=self._gpus,
            num_returns="streaming",
            # Ray cannot tell a candidate that kills its worker from a lost node; `_outlive` can.
            max_retries=0,
        )
        items = task.remote(self._threads, not self._gpus, self._measure, payload)
        self._running.add(items)
        try:
            ray.get(next(items))  # it has begun: the time spent waiting for a node is not its own
            if not ray.wait([items], timeout=self.timeout_s)[0]:
                ray.cancel(items, force=True)
                raise WorkerLost(f"took longer than {self.timeout_s:g} s")
            result, used = ray.get(next(items))
            self._make_room(used)
            return result
        finally:
            self._running.discard(items)

    def _make_room(self, used: float) -> None:
        """Let as many candidates share a GPU as have room for the largest so far."""
        if used > self._largest:
            self._largest = used
            self._gpus = 1 / max(int(1 / (_ROOM_TO_SPARE * used)), 1)


def _connect(address: str | None) -> None:
    if address is not None and "://" in address:
        raise UserError(
            f"The address {address!r} is that of a remote client, which cannot share its clips; "
            "run the search on a node of the cluster, with --address auto."
        )
    os.environ.setdefault(
        "RAY_USAGE_STATS_ENABLED", "0"
    )  # nothing is sent anywhere unless asked for
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"No Ray cluster answers at {address or os.environ.get('RAY_ADDRESS')!r} "
            f"({str(error).splitlines()[0].rstrip('.')}); start one with `ray start --head`."
        ) from error


def _run(
    threads: int, limited: bool, measure: Callable[[], float] | None, payload: bytes
) -> Iterator[Any]:
    """Run in a worker: yield a sign that it has begun, then the result and what it needed."""
    _prepare_worker(threads, limited)
    yield None
    function, args = pickle.loads(payload)
    yield function(*args), measure() if measure else 0.0


def _gpu_memory_used() -> float:
    """Return the largest share of the GPU's memory that this worker needed since the last call;
    zero where it never used the GPU, as for a candidate that is too slow to be trained."""
    import torch

    if not torch.cuda.max_memory_reserved():
        return 0.0
    needed = torch.cuda.max_memory_reserved() + _CONTEXT_BYTES
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return needed / torch.cuda.mem_get_info()[1]


@cache  # once per worker
def _prepare_worker(threads: int, limited: bool) -> None:
    prepare_process(threads)
    if limited:  # CUDA maps far more than it uses
        here = ray.get_runtime_context().get_node_id()
        node = next(node["Resources"] for node in ray.nodes() if node["NodeID"] == here)
        limit_memory(int(node["memory"] * threads / node["CPU"]))
