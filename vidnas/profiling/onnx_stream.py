"""A streaming step in ONNX Runtime, which keeps the state from one call to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidnas.profiling.engines import Clips, onnxruntime_session
from vidnas.profiling.onnx import STATE


class OnnxStream:
    """The graph of a step, called with the newest frames of one video after the other."""

    def __init__(self, graph: bytes | Path, threads: int | None = None) -> None:
        """Open the graph; on all cores, unless the threads are given."""
        self._session = onnxruntime_session(graph, threads)
        nodes = self._session.get_inputs()
        self._frames = [node.name for node in nodes if not node.name.startswith(STATE)]
        self._shapes = {node.name: node.shape for node in nodes if node.name.startswith(STATE)}
        self._gives = [node.name for node in self._session.get_outputs()]
        self._state: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Begin with another video."""
        self._state = {
            name: _value(np.zeros(shape, np.float32)) for name, shape in self._shapes.items()
        }

    def __call__(self, frames: Clips) -> NDArray[np.float32]:
        """Take the newest frames of each input, `(1, C, n, H, W)`; return logits `(1, classes)`."""
        given = dict(zip(self._frames, map(_value, frames), strict=True))
        logits, *state = self._session.run_with_ort_values(self._gives, {**given, **self._state})
        # The state stays in the memory of the runtime.
        self._state = dict(zip(self._shapes, state, strict=True))
        found: NDArray[np.float32] = logits.numpy()
        return found


def _value(array: NDArray[np.float32]) -> Any:
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
