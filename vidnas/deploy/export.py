"""A model as one ONNX file that needs no vidnas, checked against the network it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from vidnas.core import NotFinite, UserError
from vidnas.core.files import replacing
from vidnas.deploy.model import Model
from vidnas.profiling.engines import Predict, in_onnxruntime
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

    @classmethod
    def of(cls, actual: NDArray[np.float32], expected: NDArray[np.float32]) -> ExportCheck:
        """Compare logits of the graph with those of the network.

        Raises:
            NotFinite: the network predicts numbers that are not finite.
        """
        if not np.isfinite(expected).all():
            raise NotFinite("The network predicts numbers that are not finite.")
        largest, scale = float(np.abs(actual - expected).max()), float(np.abs(expected).max())
        return cls(largest, largest / scale if scale else largest)

    @property
    def passed(self) -> bool:
        """Whether the graph computes what the network does; not where it gives no numbers."""
        return self.relative_difference <= TOLERANCE


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
    check = check_answers(model, in_onnxruntime(content), _CHECKED_BATCHES, path)
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


def check_answers(
    model: Model, predict: Predict, batches: Sequence[int], path: Path
) -> ExportCheck:
    """Ask what is to be a file, on random clips in batches of these sizes.

    Raises:
        UserError: it does not compute what the network does.
        NotFinite: the network predicts numbers that are not finite.
    """
    shapes = [spec.shape for spec in model.architecture.inputs]
    generator = torch.Generator().manual_seed(0)
    actual, expected = [], []
    for batch in batches:
        clips = [torch.rand(shape(batch), generator=generator) for shape in shapes]
        actual.append(predict([clip.numpy() for clip in clips]))
        with torch.inference_mode():
            expected.append(model.network.eval()(*clips).numpy())
    check = ExportCheck.of(np.concatenate(actual), np.concatenate(expected))
    if not check.passed:
        raise UserError(
            f"The exported graph differs from the network by {check.relative_difference:.1e} of "
            f"its largest logit (allowed {TOLERANCE:.0e}), so {path} was not written; report the "
            "architecture as a bug."
        )
    return check
