"""A model as one ONNX file that needs no vidnas, checked against the network it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.deploy.model import Model
from vidnas.profiling.onnx import export_onnx

_CHECKED_BATCHES = (1, 3)
TOLERANCE = 1e-3
"""The largest difference of a logit that is accepted, over the largest logit."""


@dataclass(frozen=True)
class ExportCheck:
    """How much the exported graph differs from the network on random clips."""

    largest_difference: float
    """The largest absolute difference of any logit."""
    relative_difference: float
    """The largest difference over the largest logit."""


def export_model(model: Model, path: Path | str) -> ExportCheck:
    """Write the model as ONNX: clips `(N, C, T, H, W)` in [0, 1] to logits `(N, classes)`.

    The metadata of the file holds the model's `Contract` and, as JSON, its `architecture`.

    Raises:
        UserError: the name is not of an ONNX file, there is no such folder to write to, or the
            graph does not compute what the network does; nothing is written then.
    """
    path = Path(path)
    require_onnx_file(path)
    network = model.network.eval()
    graph = onnx.load_from_string(export_onnx(network, model.architecture.inputs))
    metadata = {**model.contract.metadata, "architecture": model.architecture.to_json()}
    onnx.helper.set_model_props(graph, metadata)
    content = graph.SerializeToString()
    check = _compare(model, content)
    if check.relative_difference > TOLERANCE:
        raise UserError(
            f"The exported graph differs from the network by {check.relative_difference:.1e} of "
            f"its largest logit (allowed {TOLERANCE:.0e}), so {path} was not written; report the "
            "architecture as a bug."
        )
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return check


def require_onnx_file(path: Path) -> None:
    """Reject a name under which no ONNX file can be written.

    Raises:
        UserError: it is of something else, or there is no such folder.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"{path} cannot be written; name a file in a folder that exists.")
    if path.suffix.lower() != ".onnx":
        raise UserError(
            f"{path} is no name of an ONNX file, which this would be; end it in .onnx, such as "
            f"{path.with_suffix('.onnx')}."
        )


def _compare(model: Model, content: bytes) -> ExportCheck:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    generator = torch.Generator().manual_seed(0)
    largest = scale = 0.0
    for batch in _CHECKED_BATCHES:
        clips = [
            torch.rand(spec.shape(batch), generator=generator) for spec in model.architecture.inputs
        ]
        feed = {name: clip.numpy() for name, clip in zip(names, clips, strict=True)}
        actual = session.run(None, feed)[0]
        with torch.inference_mode():
            expected = model.network(*clips).numpy()
        largest = max(largest, float(np.abs(actual - expected).max()))
        scale = max(scale, float(np.abs(expected).max()))
    return ExportCheck(largest, largest / scale if scale else largest)
