"""The latency of one clip, measured so that other busy cores do not change it.

A candidate is timed while other workers train, and neighbours on one machine share caches, memory
and clock: even the CPU time of one network then drifts by tens of per cent. It drifts together with
that of another network that runs in between, so what is kept is the median of the pairwise ratios,
times the latency that the reference network had on the undisturbed machine
(`benchmarks/latency_steadiness.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidnas.core import Latency, LatencyProtocol, UserError
from vidnas.core.value import Value
from vidnas.families import Network
from vidnas.profiling.reference import REFERENCE_INPUTS, REFERENCE_NAME, reference_network
from vidnas.profiling.runtimes import Prepared, prepare

_CALIBRATION_BLOCKS, _CALIBRATION_REPEATS = 10, 20
_ENOUGH_S, _FEWEST_RATIOS = 3.0, 10

Run = Callable[[], object]
Clock = Callable[[], float]


class Reference(Value):
    """How fast the reference network is on this machine when nothing disturbs it."""

    latency_ms: float
    protocol: LatencyProtocol


def calibrate(*, runtime: str = "onnxruntime", threads: int = 1, device: str = "cpu") -> Reference:
    """Time the reference network: the best of ten short blocks, by their medians. Takes 1.5 s.

    Raises:
        UserError: the runtime or the device cannot be used, or the device is not the CPU.
    """
    if device != "cpu":
        raise UserError(f"Device {device!r} has no reference network; measure without one.")
    prepared = _prepared_reference(runtime, threads)
    blocks = [
        _times_ms(prepared.run, _clock(threads), warmup=1, repeats=_CALIBRATION_REPEATS)
        for _ in range(_CALIBRATION_BLOCKS)
    ]
    return Reference(
        latency_ms=min(float(np.median(block.values)) for block in blocks),
        protocol=_protocol(
            prepared,
            threads,
            warmup=_CALIBRATION_BLOCKS,
            repeats=_CALIBRATION_BLOCKS * _CALIBRATION_REPEATS,
        ),
    )


def measure_latency(
    network: Network,
    *,
    runtime: str = "onnxruntime",
    device: str = "cpu",
    threads: int = 1,
    warmup: int = 3,
    repeats: int = 60,
    reference: Reference | None = None,
    give_up_ms: float | None = None,
) -> Latency:
    """Time a network in evaluation mode on one random clip, float32; the network stays as it is.

    Args:
        network: any network; its weights do not matter.
        runtime: "onnxruntime", "openvino" or "torch".
        device: "cpu"; with "torch" also "cuda" or "cuda:N", with the clip on the device already.
        threads: threads on the CPU. One is compared with the reference by CPU time, more by wall
            time.
        warmup: runs that do not count.
        repeats: runs that count; with a reference fewer, but at least ten, if all took over 3 s.
        reference: from `calibrate`, for a latency that other busy cores do not change; if unset,
            plain wall time is measured.
        give_up_ms: stop early once the network is clearly slower: the fastest of the first n runs
            takes more than `1 + 2 / n` times as long. The protocol records how many runs there
            were.

    Raises:
        UserError: the runtime or the device cannot be used, or the reference was calibrated for
            another.
    """
    inputs = network.architecture.inputs
    prepared = prepare(network, inputs, runtime=runtime, device=device, threads=threads)
    if reference is None:
        times = _times_ms(
            prepared.run, time.perf_counter, warmup=warmup, repeats=repeats, give_up=give_up_ms
        )
        return _latency(times, prepared, threads)
    _check(reference, prepared, threads)
    ratios = _ratios(
        prepared.run,
        _prepared_reference(runtime, threads).run,
        _clock(threads),
        warmup=warmup,
        repeats=repeats,
        give_up=None if give_up_ms is None else give_up_ms / reference.latency_ms,
    )
    return _latency(ratios, prepared, threads, reference)


class _Samples(NamedTuple):
    warmup: int
    """Runs before those in `values`."""
    values: NDArray[np.float64]


def _times_ms(
    run: Run, clock: Clock, *, warmup: int, repeats: int, give_up: float | None = None
) -> _Samples:
    return _repeat(lambda: _elapsed_ms(run, clock), warmup, repeats, give_up)


def _ratios(
    run: Run,
    reference: Run,
    clock: Clock,
    *,
    warmup: int,
    repeats: int,
    give_up: float | None = None,
) -> _Samples:
    """Measure the time of `run` over that of the reference right before it."""

    def pair() -> float:
        beside_ms = _elapsed_ms(reference, clock)
        return _elapsed_ms(run, clock) / beside_ms

    end = clock() + _ENOUGH_S
    return _repeat(pair, warmup, repeats, give_up, lambda: clock() > end)


def _repeat(
    sample: Callable[[], float],
    warmup: int,
    repeats: int,
    give_up: float | None,
    enough: Callable[[], bool] = lambda: False,
) -> _Samples:
    samples: list[float] = []
    while (n := len(samples)) < warmup + repeats:
        if n >= warmup + _FEWEST_RATIOS and enough():
            break
        samples.append(sample())
        n += 1
        # The first run is cold, and says little.
        if give_up is not None and n > 1 and min(samples) > give_up * (1 + 2 / n):
            warmup = min(warmup, n - 1)
            break
    return _Samples(warmup, np.array(samples[warmup:]))


def _elapsed_ms(run: Run, clock: Clock) -> float:
    start = clock()
    run()
    return (clock() - start) * 1000


def _clock(threads: int) -> Clock:
    # One thread is the calling thread in every runtime, and its CPU time leaves out the time in
    # which another process had the core.
    return time.thread_time if threads == 1 else time.perf_counter


@cache
def _prepared_reference(runtime: str, threads: int) -> Prepared:
    return prepare(
        reference_network(), REFERENCE_INPUTS, runtime=runtime, device="cpu", threads=threads
    )


def _check(reference: Reference, prepared: Prepared, threads: int) -> None:
    asked = (prepared.device, prepared.runtime, threads)
    known = reference.protocol
    if (known.device, known.runtime, known.threads) != asked:
        raise UserError(
            f"The reference network was calibrated on {known.device} in {known.runtime} with "
            f"{known.threads} thread(s), not on {asked[0]} in {asked[1]} with {threads}; calibrate "
            "it again."
        )


def _latency(
    samples: _Samples, prepared: Prepared, threads: int, reference: Reference | None = None
) -> Latency:
    scale_ms = 1.0 if reference is None else reference.latency_ms
    low, p50, high, p90 = (np.quantile(samples.values, (0.25, 0.5, 0.75, 0.9)) * scale_ms).tolist()
    name = None if reference is None else f"{REFERENCE_NAME}, {scale_ms:.3f} ms"
    protocol = _protocol(prepared, threads, samples.warmup, len(samples.values), name)
    return Latency(p50_ms=p50, p90_ms=p90, spread=(high - low) / p50, protocol=protocol)


def _protocol(
    prepared: Prepared, threads: int, warmup: int, repeats: int, reference: str | None = None
) -> LatencyProtocol:
    return LatencyProtocol(
        device=prepared.device,
        runtime=prepared.runtime,
        threads=threads,
        dtype="float32",
        batch=1,
        warmup=warmup,
        repeats=repeats,
        reference=reference,
    )
