from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vidnas.core import LatencyProtocol, UserError
from vidnas.profiling import RUNTIMES, Reference, calibrate, engines, measure_latency
from vidnas.profiling.engines import require_bfloat16
from vidnas.profiling.latency import latency_of, measure_in_turns
from vidnas.profiling.pairing import Series, Stopwatch
from vidnas.profiling.reference import REFERENCE_INPUTS, reference_network
from vidnas.profiling.runtimes import Prepared, engine_of, prepare

PROTOCOL = LatencyProtocol(
    device="cpu", runtime="onnxruntime 1", threads=1, dtype="float32", batch=1, warmup=1, repeats=1
)
DTYPES = {"int8": "int8", "bf16": "bfloat16"}


class FakeClock:
    """Time that passes only when something runs."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def takes(self, durations_ms: Iterator[float]):
        def run() -> None:
            self.now_s += next(durations_ms) / 1000

        return run

    @property
    def watch(self) -> Stopwatch:
        return Stopwatch(one_thread=True, wall=self, cpu=self)


def test_disturbance_that_both_feel_cancels_out() -> None:
    clock = FakeClock()
    slowness = [s for s in [1, 1, 1.4, 1.4, 3, 1, 2, 2, 1.1, 1] * 3 for _ in range(2)]
    candidate = clock.takes(20.0 * s for s in slowness)
    reference = clock.takes(5.0 * s for s in slowness)
    series = Series(candidate, clock.watch, reference, warmup=2, repeats=28).take()
    assert series.ratios == pytest.approx([4.0] * 28)
    assert series.warmup == 2


def test_a_timed_run_finds_the_caches_warm() -> None:
    """The first run after the other network takes twice as long, the second a fifth longer."""
    clock, ran = FakeClock(), [""]

    def network(name: str, duration_ms: float):
        def run() -> None:
            ran.append(name)
            slowness = 2.0 if ran[-2] != name else 1.2 if ran[-3] != name else 1.0
            clock.now_s += slowness * duration_ms / 1000

        return run

    series = Series(network("own", 0.2), clock.watch, network("reference", 6.0)).take()
    assert series.ratios == pytest.approx([0.2 / (1.2 * 6.0)] * 60)


def test_much_too_slow_networks_are_given_up_after_two_runs() -> None:
    clock = FakeClock()
    run = clock.takes(iter([500.0] * 100))
    series = Series(run, clock.watch, repeats=30, give_up=100).take()
    assert (series.warmup, len(series.ratios)) == (1, 1)
    assert clock() == pytest.approx(2.0)  # two runs, each after one that is not timed


def test_a_network_a_little_too_slow_takes_more_runs_to_give_up() -> None:
    clock = FakeClock()
    run = clock.takes(iter([125.0] * 100))
    series = Series(run, clock.watch, repeats=30, give_up=100).take()
    assert len(series.ratios) == 9 - 3 and series.warmup == 3


@pytest.mark.parametrize("disturbed", [(900.0, 99.0), (99.0, 900.0)])
def test_one_slow_run_gives_up_nothing(disturbed: tuple[float, float]) -> None:
    clock = FakeClock()
    durations = iter([99.0, disturbed[0], 99.0, disturbed[1], *[99.0] * 100])
    series = Series(clock.takes(durations), clock.watch, repeats=30, give_up=100).take()
    assert len(series.ratios) == 30


def test_slow_networks_are_timed_fewer_times_beside_a_reference() -> None:
    clock = FakeClock()
    slow, reference = clock.takes(iter([1000.0] * 99)), clock.takes(iter([5.0] * 99))
    series = Series(slow, clock.watch, reference, warmup=3, repeats=60).take()
    assert len(series.ratios) == 10


def test_what_is_the_machine_is_told_apart_from_the_network() -> None:
    """Another process has the core half of the time, and slows memory for both networks."""
    wall, cpu = FakeClock(), FakeClock()

    def network(duration_ms: float):
        def run() -> None:
            cpu.now_s += 1.5 * duration_ms / 1000
            wall.now_s += 3 * duration_ms / 1000

        return run

    reference = Reference(latency_ms=6.0, protocol=PROTOCOL)
    prepared = Prepared(network(2.0), lambda _: np.zeros(1), "onnxruntime 1", "cpu", "float32", int)
    watch = Stopwatch(one_thread=True, wall=wall, cpu=cpu)
    series = Series(prepared.run, watch, network(6.0)).take()
    latency = latency_of(series, prepared, 1, reference)
    assert (latency.p50_ms, latency.p90_ms) == pytest.approx((2.0, 2.0))
    assert (latency.wall_p50_ms, latency.cpu_p50_ms) == pytest.approx((6.0, 3.0))
    assert latency.slowdown == pytest.approx(1.5)
    assert "wall time is 2.0 times CPU time" in latency.disturbance
    assert "1.5 times slower than at rest" in latency.disturbance
    assert latency.doubt == ""


def test_a_wide_spread_is_said() -> None:
    clock = FakeClock()
    durations = iter([ms for ms in [1.0, 1.0, 1.0, 2.0, 2.0] * 99 for _ in range(2)])
    prepared = Prepared(
        clock.takes(durations), lambda _: np.zeros(1), "onnxruntime 1", "cpu", "float32", int
    )
    series = Series(prepared.run, clock.watch).take()
    latency = latency_of(series, prepared, 1, None)
    assert latency.spread == pytest.approx(1.0)
    assert "spread by 100%" in latency.doubt


def test_networks_are_timed_in_turns(network) -> None:
    order: list[str] = []

    def prepared(name: str) -> Prepared:
        one = prepare(
            network, network.architecture.inputs, runtime="onnxruntime", device="cpu", threads=1
        )
        return replace(one, run=lambda: (order.append(name), one.run()))

    reference = calibrate()
    latencies = measure_in_turns(
        {"a": prepared("a"), "b": prepared("b")},
        {"a": reference, "b": reference},
        threads=1,
        repeats=5,
        warmup=1,
    )
    turns = [(name, len(list(runs))) for name, runs in groupby(order)]
    assert [name for name, _ in turns] == ["a", "b"] * 6
    assert all(2 <= runs <= 5 for _, runs in turns)  # the last of them is timed
    assert all(one.protocol.repeats == 5 and one.p50_ms > 0 for one in latencies.values())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_measures_with_its_protocol(network, runtime: str) -> None:
    if engine_of(runtime) == "openvino":
        pytest.importorskip("openvino")
    if runtime.endswith("int8"):
        pytest.importorskip("nncf")
    if runtime.endswith("bf16"):
        try:
            require_bfloat16()
        except UserError as error:
            pytest.skip(str(error))
    latency = measure_latency(network, runtime=runtime, repeats=5, warmup=1)
    assert 0 < latency.p50_ms <= latency.p90_ms
    protocol = latency.protocol
    assert protocol.runtime.startswith(f"{engine_of(runtime)} ")
    assert protocol.device.startswith("cpu (")
    assert (protocol.threads, protocol.batch) == (1, 1)
    assert protocol.dtype == DTYPES.get(runtime.partition("-")[2], "float32")
    assert (protocol.warmup, protocol.repeats, protocol.reference) == (1, 5, None)


def test_no_float32_is_taken_for_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = ["FP32", "INT8"]
    core = SimpleNamespace(get_property=lambda *_: capabilities)
    monkeypatch.setattr(engines, "openvino", lambda: SimpleNamespace(Core=lambda: core))
    with pytest.raises(UserError, match="does not compute in bfloat16"):
        require_bfloat16()
    capabilities.append("BF16")
    require_bfloat16()


def test_reference_scales_what_is_measured(network) -> None:
    reference = calibrate()
    tenfold = reference.model_copy(update={"latency_ms": 10 * reference.latency_ms})
    once = measure_latency(network, reference=reference)
    more = measure_latency(network, reference=tenfold)
    assert 3 < more.p50_ms / once.p50_ms < 30  # the network is tiny, and the machine may be busy
    assert once.protocol.reference is not None
    assert f"{reference.latency_ms:.3f} ms" in once.protocol.reference
    assert once.protocol.repeats == 60


def test_giving_up_is_quick_and_told(network) -> None:
    latency = measure_latency(network, reference=calibrate(), give_up_ms=1e-6)
    assert latency.p50_ms > 1e-6
    assert (latency.protocol.warmup, latency.protocol.repeats) == (1, 1)


def test_two_threads_are_compared_by_wall_time(network) -> None:
    reference = calibrate(threads=2)
    latency = measure_latency(network, threads=2, reference=reference, repeats=5)
    assert latency.protocol.threads == 2 and latency.p50_ms > 0


def test_measuring_leaves_the_network_and_the_generator_alone(network) -> None:
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    threads = torch.get_num_threads()
    for runtime in ("onnxruntime", "torch"):
        measure_latency(network, runtime=runtime, repeats=2, warmup=1)
    assert network.training
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert torch.get_num_threads() == threads


def test_reference_network_is_the_same_every_time() -> None:
    state = torch.random.get_rng_state()
    first, second = reference_network(), reference_network()
    clip = torch.rand(REFERENCE_INPUTS[0].shape(), generator=torch.Generator().manual_seed(0))
    assert torch.equal(first(clip), second(clip))
    assert torch.equal(state, torch.random.get_rng_state())


def test_impossible_wishes_are_sentences(network) -> None:
    with pytest.raises(UserError, match="'tflite' is unknown; choose one of onnxruntime"):
        measure_latency(network, runtime="tflite")
    with pytest.raises(UserError, match="use torch instead"):
        measure_latency(network, device="cuda")
    with pytest.raises(UserError, match="'abacus' is unknown"):
        measure_latency(network, runtime="torch", device="abacus")
    with pytest.raises(UserError, match="'cuda:99' does not exist"):
        measure_latency(network, runtime="torch", device="cuda:99")
    with pytest.raises(UserError, match="no reference network"):
        calibrate(runtime="torch", device="cuda")
    with pytest.raises(UserError, match="calibrate it again"):
        measure_latency(network, threads=2, reference=calibrate())


def test_missing_openvino_names_the_extra(network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(UserError, match=r"pip install 'vidnas\[openvino\]'"):
        measure_latency(network, runtime="openvino")


def test_calibration_tells_how_it_was_done() -> None:
    began = time.perf_counter()
    reference = calibrate()
    assert 0 < reference.latency_ms < 1000 * (time.perf_counter() - began) / 200
    assert reference.protocol.repeats == 200
