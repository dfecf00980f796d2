import pytest

from vidnas.core import Cost, Evaluation, Latency, LatencyProtocol, UserError
from vidnas.evolution.limits import Limits


def cost(parameters=1, macs=1, activation_bytes=1, latency_ms=None, frame_latency_ms=None) -> Cost:
    protocol = LatencyProtocol(
        device="cpu", runtime="none", threads=1, dtype="float32", batch=1, warmup=0, repeats=1
    )

    def measured(ms):
        return ms and Latency(p50_ms=ms, p90_ms=99, spread=0, protocol=protocol)

    return Cost(
        parameters=parameters,
        macs=macs,
        activation_bytes=activation_bytes,
        latency=measured(latency_ms),
        frame_latency=measured(frame_latency_ms),
    )


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("latency=40ms", "latency_ms", 40.0),
        ("latency=0.5s", "latency_ms", 500.0),
        ("latency = 250 us", "latency_ms", 0.25),
        ("frame_latency=5ms", "frame_latency_ms", 5.0),
        ("parameters=2M", "parameters", 2_000_000),
        ("parameters=1234", "parameters", 1234),
        ("macs=1.5G", "macs", 1_500_000_000),
        ("macs=500m", "macs", 500_000_000),
        ("memory=64MB", "memory_bytes", 64_000_000),
        ("memory=1GiB", "memory_bytes", 2**30),
        ("memory=8kB", "memory_bytes", 8_000),
    ],
)
def test_reads_units(text, field, value):
    assert Limits.parse([text]).model_dump(exclude_none=True) == {field: value}


def test_reads_several():
    limits = Limits.parse(["latency=40ms", "parameters=2M"])
    assert (limits.latency_ms, limits.parameters, limits.macs) == (40.0, 2_000_000, None)
    assert str(limits) == "latency 40 ms and parameters 2,000,000"


@pytest.mark.parametrize(
    ("texts", "value", "cure"),
    [
        (["speed=40ms"], "'speed=40ms'", "latency=40ms"),
        (["latency=40"], "no unit", "latency=40ms"),
        (["latency=40MB"], "'mb'", "latency=40ms"),
        (["latency"], "no number", "latency=40ms"),
        (["parameters=-2M"], "no number", "parameters=2M"),
        (["parameters=nan"], "no number", "parameters=2M"),
        (["macs=0"], "not positive", "macs=500M"),
        (["parameters=0.2"], "not positive", "parameters=2M"),
        (["memory=2", "memory=2MB"], "no unit", "memory=64MB"),
        (["macs=1M", "macs=2M"], "'macs=2M'", "keep one"),
    ],
)
def test_rejects_with_value_and_cure(texts, value, cure):
    with pytest.raises(UserError) as caught:
        Limits.parse(texts)
    assert value in str(caught.value)
    assert cure in str(caught.value)


def test_says_which_limit_is_broken():
    limits = Limits(
        latency_ms=40, frame_latency_ms=5, parameters=2_000_000, memory_bytes=64_000_000
    )
    assert limits.judge(cost()) is None
    assert limits.judge(cost(frame_latency_ms=5)) is None
    assert limits.judge(cost(latency_ms=40.0)) is None
    for broken, name, reason in (
        (cost(latency_ms=52.1), "latency", "latency 52.1 ms > 40 ms"),
        (cost(frame_latency_ms=6), "frame_latency", "frame_latency 6 ms > 5 ms"),
        (cost(parameters=2_400_000), "parameters", "parameters 2,400,000 > 2,000,000"),
        (cost(activation_bytes=70_200_000), "memory", "memory 70.2 MB > 64 MB"),
    ):
        rejected = limits.judge(broken)
        assert rejected == Evaluation(
            status="rejected", cost=broken, reason=reason, broken_limit=name
        )
    assert limits.judge(cost(macs=10**12)) is None


def test_what_was_evaluated_is_judged_again():
    limits = Limits(macs=10)
    found = Evaluation(status="ok", fitness=0.5, metrics={"top1": 0.5}, cost=cost(macs=11))
    rejected = limits.judge_again(found)
    assert (rejected.status, rejected.fitness) == ("rejected", None)
    assert (rejected.broken_limit, rejected.reason) == ("macs", "macs 11 > 10")
    assert (rejected.metrics, rejected.cost) == (found.metrics, found.cost)
    assert Evaluation.model_validate_json(rejected.model_dump_json()) == rejected
    for kept in (
        found.model_copy(update={"cost": cost(macs=10)}),
        Evaluation(status="ok", fitness=0.5),
        Evaluation(status="failed", reason="out of memory", cost=cost(macs=11)),
    ):
        assert limits.judge_again(kept) == kept


def test_counted_limits_need_no_measurement():
    assert not Limits(latency_ms=1).counted
    assert Limits(macs=1).counted


def test_says_how_near_the_costs_came():
    costs = [cost(latency_ms=3.2), cost(latency_ms=9), cost()]
    assert Limits(latency_ms=0.1).least(costs) == "; the fastest took 3.2 ms"
    assert Limits(parameters=1).least([]) == ""
    near = Limits(frame_latency_ms=1).least([cost(frame_latency_ms=2)])
    assert near == "; the fastest took 2 ms a frame"


def test_the_share_is_of_the_first_quantity_that_is_limited_and_known():
    limits = Limits(latency_ms=4.0, macs=100)
    assert limits.share(cost(latency_ms=1.0, macs=90)) == 0.25
    assert limits.share(cost(macs=90)) == 0.9
    assert Limits(frame_latency_ms=4, macs=100).share(cost(frame_latency_ms=1, macs=90)) == 0.25
    assert Limits(memory_bytes=2).share(cost()) == 0.5
    assert Limits(latency_ms=4.0).share(cost()) is None
    assert Limits().share(cost(latency_ms=1.0)) is None
