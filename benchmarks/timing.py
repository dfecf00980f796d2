"""How benchmarks take times: on one thread, in turns, with what is already there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from unittest import mock

from vidnas.core.process import prepare_process

_Name = TypeVar("_Name")
_Sample = TypeVar("_Sample")
Run = Callable[[], object]


def use_threads(threads: int) -> None:
    """Set the process up as a worker of a search is; to be called before torch is imported."""
    prepare_process(threads)
    import torch

    torch.set_num_threads(threads)


def cpu_ms(run: Run) -> float:
    """Return the processor time of a call."""
    began = time.process_time()
    run()
    return 1000 * (time.process_time() - began)


def wall_ms(run: Run) -> float:
    """Return the wall time of a call."""
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


def in_turns(
    runs: Mapping[_Name, Run], repeats: int, *, warmup: int, sample: Callable[[Run], _Sample]
) -> dict[_Name, list[_Sample]]:
    """Sample all runs one after the other, again and again, because machines drift."""
    samples: dict[_Name, list[_Sample]] = {name: [] for name in runs}
    for _ in range(warmup + repeats):
        for name, run in runs.items():
            samples[name].append(sample(run))
    return {name: found[warmup:] for name, found in samples.items()}


@contextmanager
def timed_methods(
    steps: Mapping[str, tuple[Any, str]], clock: Callable[[], float]
) -> Iterator[dict[str, list[float]]]:
    """Record in ms how long each call of these methods takes while the block runs."""
    times_ms: dict[str, list[float]] = {step: [] for step in steps}

    def timed(method: Callable[..., Any], own_ms: list[float]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            began = clock()
            try:
                return method(*args)
            finally:
                own_ms.append((clock() - began) * 1000)

        return run

    with ExitStack() as patches:
        for step, place in steps.items():
            patch = mock.patch.object(*place, timed(getattr(*place), times_ms[step]))
            patches.enter_context(patch)
        yield times_ms


def in_onnxruntime(graph: bytes, inputs: Mapping[str, Any], threads: int) -> Run:
    """Return a function that runs a graph once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)
