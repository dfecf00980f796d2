"""Post-training quantisation to int8 with NNCF, of graphs for ONNX Runtime and for OpenVINO."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.profiling.engines import Clips, Predict

MOST_LOST = 0.01
"""What int8 may cost of the metric that ranks a network; where it costs more, layers stay in
float."""


class CalibrationClips(Protocol):
    """Clips that show which values occur in a network, of a batch of one each."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Clips:
        """Read one of them: all may be more than fit into memory."""


class CannotQuantize(UserError):
    """NNCF cannot quantise a network; that is the network's fault, or NNCF's."""


@dataclass(frozen=True)
class Guard:
    """Clips on which a quantised network must stay nearly as accurate as it was."""

    count: int
    """How many they are."""
    clip: Callable[[int], Clips]
    """Reads the clip of an index, of a batch of one: all may be more than fit into memory."""
    rightness: Callable[[int, NDArray[np.float32]], float]
    """How right the logits of the clip of this index are, from 0 to 1: tells NNCF which clips show
    what a layer costs."""
    headline: Callable[[Sequence[int], NDArray[np.float32]], float]
    """The metric that must stay, of the logits `(clips, classes)` of the clips of these indices."""
    open: Callable[[Any], Predict]
    """Opens a graph."""


def quantize(
    graph: Any,
    names: Sequence[str],
    clips: CalibrationClips,
    guard: Guard | None = None,
    *,
    for_time: bool = False,
) -> Any:
    """Return a graph with int8 convolutions and products, with ranges as these clips need them.

    Args:
        graph: an `onnx.ModelProto` or an `openvino.Model`.
        names: of its inputs.
        clips: for calibration.
        guard: where given, the layers that cost most stay in float until at most `MOST_LOST` of the
            guard's metric is lost.
        for_time: whether only the time of a run matters: biases are not corrected, which takes most
            of the work.

    Raises:
        UserError: NNCF is not installed.
        CannotQuantize: it cannot quantise the graph.
    """
    library = nncf()
    advanced = library.quantization.advanced_parameters

    def feed(values: Clips) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, values, strict=True))

    parameters = library.AdvancedQuantizationParameters(
        # The first axis of features holds frames of one clip: they share their statistics.
        batchwise_statistics=True,
        disable_bias_correction=for_time,
        # ONNX Runtime takes one range for all channels of features.
        activations_quantization_params=advanced.QuantizationParameters(per_channel=False),
    )
    calibration = library.Dataset(range(len(clips)), lambda index: feed(clips[index]))
    try:
        with quiet():
            if guard is None:
                return library.quantize(
                    graph, calibration, subset_size=len(clips), advanced_parameters=parameters
                )
            return library.quantize_with_accuracy_control(
                graph,
                calibration,
                library.Dataset(range(guard.count), lambda index: feed(guard.clip(index))),
                _validation(guard),
                max_drop=MOST_LOST,
                subset_size=len(clips),
                advanced_quantization_parameters=parameters,
            )
    except Exception as error:  # whatever NNCF meets in a graph
        reason = " ".join(str(error).split())[:200]
        raise CannotQuantize(
            f"The network cannot be quantised ({type(error).__name__}: {reason}); export it in "
            "float32."
        ) from error


def _validation(guard: Guard) -> Callable[[Any, Any], tuple[float, list[float]]]:
    def validate(model: Any, items: Any) -> tuple[float, list[float]]:
        predict = guard.open(model)
        indices = [*items]
        rows = [predict(guard.clip(index)) for index in indices]
        values = [guard.rightness(*one) for one in zip(indices, rows, strict=True)]
        return guard.headline(indices, np.concatenate(rows)), values

    return validate


def nncf() -> Any:
    """Return the module, which then keeps silent.

    Raises:
        UserError: it is not installed.
    """
    # Without this it reports to its makers that it is used.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        import nncf
    except ImportError as error:
        raise UserError(
            "Quantisation to int8 needs NNCF; run pip install 'vidnas[int8]'."
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the progress bars of a library off the terminal."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
