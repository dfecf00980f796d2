"""A network as an ONNX graph: what is timed and what is exported."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import nn

from vidnas.core import ClipSpec
from vidnas.profiling.pads import fold_pads
from vidnas.profiling.streaming import StreamingStep

OUTPUT_NAME = "logits"
STATE, NEXT_STATE = "state_", "next_state_"
"""How the names of a step's state begin, as it enters and as it leaves."""
_OPSET = 18


def input_names(inputs: Sequence[ClipSpec]) -> tuple[str, ...]:
    """Return the names of the graph's inputs: the modalities, numbered where one occurs twice."""
    modalities = [spec.modality for spec in inputs]
    return tuple(
        name if modalities.count(name) == 1 else f"{name}_{i}" for i, name in enumerate(modalities)
    )


def export_onnx(network: nn.Module, inputs: Sequence[ClipSpec]) -> bytes:
    """Export for inference, with a dynamic batch dimension `N`, batch norms and padding folded.

    This takes torch's tracing exporter although `dynamo=True` is its successor: a search exports
    every candidate that it times, and tracing takes 0.2 s where the successor takes 3 s, for a
    graph that ONNX Runtime runs equally fast.
    """
    clips = tuple(torch.rand(spec.shape()) for spec in inputs)
    names = input_names(inputs)
    return _exported(network, clips, names, (OUTPUT_NAME,), batched=True)


def export_step(step: StreamingStep) -> bytes:
    """Export a step of one video, for inference: the newest frames of each input and the state to
    logits and the next state."""
    count = len(step.state)
    frames = tuple(torch.rand(shape) for shape in step.takes)
    names = input_names(step.network.architecture.inputs)
    return _exported(
        step,
        (*frames, *step.begin()),
        (*names, *(f"{STATE}{number}" for number in range(count))),
        (OUTPUT_NAME, *(f"{NEXT_STATE}{number}" for number in range(count))),
    )


def _exported(
    module: nn.Module,
    tensors: tuple[torch.Tensor, ...],
    names: Sequence[str],
    outputs: Sequence[str],
    *,
    batched: bool = False,
) -> bytes:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "network.onnx"
        warnings.simplefilter("ignore")  # "the tracing exporter is deprecated": see above
        torch.onnx.export(
            module,
            tensors,
            path,
            dynamo=False,
            opset_version=_OPSET,
            input_names=list(names),
            output_names=list(outputs),
            dynamic_axes={name: {0: "N"} for name in (*names, *outputs)} if batched else None,
        )
        graph = onnx.load(path)
    fold_pads(graph)
    content: bytes = graph.SerializeToString()
    return content
