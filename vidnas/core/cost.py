"""The cost of a network. A measured number without its protocol does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from vidnas.core.value import Value

WIDE_SPREAD = 0.2
"""The interquartile range over the median from which on a latency is doubtful."""
BUSY = 1.1
"""What wall time over CPU time, or a slower reference network, shows on a machine at rest."""


class LatencyProtocol(Value):
    """How a latency was measured: numbers of different protocols cannot be compared."""

    device: str  # "cpu", "cuda:0"; with the model name of the chip
    runtime: str  # "onnxruntime 1.31.1", "torch 2.13.0", "openvino 2026.4.1"
    threads: int
    dtype: str  # "float32", "bfloat16", "int8"
    batch: int
    warmup: int
    repeats: int
    reference: str | None = None
    """The interleaved reference network whose time every sample was divided by, if any."""


class Latency(Value):
    """The time for one clip, from the tensor to the logits, in milliseconds."""

    p50_ms: float
    """Of the network: where there was a reference network, what it would be on the idle machine."""
    p90_ms: float
    spread: float
    """Interquartile range over the median."""
    protocol: LatencyProtocol
    wall_p50_ms: float | None = None
    """Wall time of the same runs, with all that the machine did meanwhile."""
    wall_p90_ms: float | None = None
    cpu_p50_ms: float | None = None
    """CPU time of the same runs, where there is one thread."""
    slowdown: float | None = None
    """How many times as long the reference network took meanwhile as on the idle machine."""

    @property
    def wall_over_cpu(self) -> float:
        """How many times its CPU time a run took by the clock on the wall; 1 if it is not known."""
        if self.wall_p50_ms and self.cpu_p50_ms:
            return self.wall_p50_ms / self.cpu_p50_ms
        return 1.0

    @property
    def doubt(self) -> str:
        """What makes the number doubtful, for people; empty where nothing does."""
        if self.spread <= WIDE_SPREAD:
            return ""
        return f"its runs spread by {self.spread:.0%}, so measure it again on an idle machine"

    @property
    def disturbance(self) -> str:
        """What the machine did besides, for people; empty where it was quiet."""
        found, times = [], self.wall_over_cpu
        if times > BUSY:
            found.append(f"wall time is {times:.1f} times CPU time: other processes had the core")
        if self.slowdown is not None and self.slowdown > BUSY:
            found.append(f"the reference network ran {self.slowdown:.1f} times slower than at rest")
        return "; ".join(found)


class Cost(Value):
    """The cost of a network for one clip of its own input size."""

    parameters: int
    """Trainable parameters; batch-norm affine counted, running statistics not."""
    macs: int
    """MACs of convolutions and matrix products; element-wise work is not counted."""
    activation_bytes: int = 0
    """Peak of live activations in float32, at batch 1, weights not included; 0 if not known."""
    latency: Latency | None = None
    frame_latency: Latency | None = None
    """Of a streaming step, which takes the newest frame of a video; None where it was not asked
    for."""

    @classmethod
    def in_turn(cls, costs: Sequence[Cost]) -> Cost:
        """Return about what networks cost together that run one after the other; without a latency
        where that of one is not known."""
        known = [cost.latency for cost in costs if cost.latency is not None]
        latency = None
        if len(known) == len(costs):
            total_ms = {
                "p50_ms": sum(one.p50_ms for one in known),
                "p90_ms": sum(one.p90_ms for one in known),
            }
            latency = known[0].model_copy(update=total_ms)
        return cls(
            parameters=sum(cost.parameters for cost in costs),
            macs=sum(cost.macs for cost in costs),
            activation_bytes=max(cost.activation_bytes for cost in costs),
            latency=latency,
        )
