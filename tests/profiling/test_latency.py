from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from vidnas.core import UserError
from vidnas.profiling import RUNTIMES, calibrate, measure_latency
from vidnas.profiling.latency import _ratios, _times_ms
from vidnas.profiling.reference import REFERENCE_INPUTS, reference_network


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


def test_disturbance_that_both_feel_cancels_out() -> None:
    clock = FakeClock()
    slowness = [1, 1, 1.4, 1.4, 3, 1, 2, 2, 1.1, 1] * 3
    candidate = clock.takes(20.0 * s for s in slowness)
    reference = clock.takes(5.0 * s for s in slowness)
    samples = _ratios(candidate, reference, clock, warmup=2, repeats=28)
    assert samples.values == pytest.approx([4.0] * 28)
    assert samples.warmup == 2


def test_much_too_slow_networks_are_given_up_after_two_runs() -> None:
    clock = FakeClock()
    run = clock.takes(iter([500.0] * 100))
    samples = _times_ms(run, clock, warmup=3, repeats=30, give_up=100)
    assert (samples.warmup, len(samples.values)) == (1, 1)
    assert clock() == pytest.approx(1.0)


def test_a_network_a_little_too_slow_takes_more_runs_to_give_up() -> None:
    clock = FakeClock()
    samples = _times_ms(clock.takes(iter([125.0] * 100)), clock, warmup=3, repeats=30, give_up=100)
    assert len(samples.values) == 9 - 3 and samples.warmup == 3


@pytest.mark.parametrize("disturbed", [(900.0, 99.0), (99.0, 900.0)])
def test_one_slow_run_gives_up_nothing(disturbed: tuple[float, float]) -> None:
    clock = FakeClock()
    durations = iter([*disturbed, *[99.0] * 100])
    samples = _times_ms(clock.takes(durations), clock, warmup=3, repeats=30, give_up=100)
    assert len(samples.values) == 30


def test_slow_networks_are_timed_fewer_times_beside_a_reference() -> None:
    clock = FakeClock()
    slow, reference = clock.takes(iter([1000.0] * 99)), clock.takes(iter([5.0] * 99))
    assert len(_ratios(slow, reference, clock, warmup=3, repeats=60).values) == 10


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_measures_with_its_protocol(network, runtime: str) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    latency = measure_latency(network, runtime=runtime, repeats=5, warmup=1)
    assert 0 < latency.p50_ms <= latency.p90_ms
    protocol = latency.protocol
    assert protocol.runtime.startswith(runtime)
    assert protocol.device.startswith("cpu (")
    assert (protocol.threads, protocol.batch, protocol.dtype) == (1, 1, "float32")
    assert (protocol.warmup, protocol.repeats, protocol.reference) == (1, 5, None)


def test_reference_scales_what_is_measured(network) -> None:
    reference = calibrate()
    doubled = reference.model_copy(update={"latency_ms": 2 * reference.latency_ms})
    once = measure_latency(network, reference=reference)
    twice = measure_latency(network, reference=doubled)
    assert twice.p50_ms == pytest.approx(2 * once.p50_ms, rel=0.5)
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
    with pytest.raises(UserError, match="use runtime 'torch'"):
        measure_latency(network, device="cuda")
    with pytest.raises(UserError, match="'abacus' is unknown"):
        measure_latency(network, runtime="torch", device="abacus")
    with pytest.raises(UserError, match="'cuda:99' is not here"):
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
