"""The cost of a network. A measured number without its protocol does not exist."""

from __future__ import annotations

from vidnas.core.value import Value


class LatencyProtocol(Value):
    """How a latency was measured: numbers of different protocols cannot be compared."""

    device: str  # "cpu", "cuda:0"; with the model name of the chip
    runtime: str  # "onnxruntime 1.31.1", "torch 2.13.0", "openvino 2026.4.1"
    threads: int
    dtype: str  # "float32", "bfloat16"
    batch: int
    warmup: int
    repeats: int
    reference: str | None = None
    """The interleaved reference network whose time every sample was divided by, if any."""


class Latency(Value):
    """The time for one clip, from the tensor to the logits, in milliseconds."""

    p50_ms: float
    p90_ms: float
    spread: float
    """Interquartile range over the median."""
    protocol: LatencyProtocol


class Cost(Value):
    """The cost of a network for one clip of its own input size."""

    parameters: int
    """Trainable parameters; batch-norm affine counted, running statistics not."""
    macs: int
    """MACs of convolutions and matrix products; element-wise work is not counted."""
    activation_bytes: int = 0
    """Peak of live activations in float32, at batch 1, weights not included; 0 if not known."""
    latency: Latency | None = None
