"""The runtimes in which a network can be timed, each as a function that runs one clip."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vidnas.core import ClipSpec, UserError
from vidnas.core.names import suggest
from vidnas.profiling.onnx import export_onnx

_Clips = tuple[Tensor, ...]


@dataclass(frozen=True)
class Prepared:
    """A network ready to run in a runtime."""

    run: Callable[[], object]
    """Run one clip to the end; on one thread of a CPU it runs in the calling thread."""
    runtime: str
    """Name and version."""
    device: str
    """Name with the model of the chip."""


def prepare(
    network: nn.Module, inputs: Sequence[ClipSpec], *, runtime: str, device: str, threads: int
) -> Prepared:
    """Load a network and one random clip into a runtime; the network itself stays as it is.

    Raises:
        UserError: the runtime is unknown, not installed or cannot use the device, or the device
            does not exist.
    """
    if runtime not in RUNTIMES:
        raise UserError(f"Runtime {runtime!r} is unknown; {suggest(runtime, RUNTIMES)}")
    if runtime != "torch" and device != "cpu":
        raise UserError(f"Runtime {runtime!r} runs on cpu, not {device!r}; use torch instead.")
    generator = torch.Generator().manual_seed(0)
    clips = tuple(torch.rand(spec.shape(), generator=generator) for spec in inputs)
    return RUNTIMES[runtime](network, inputs, clips, device, threads)


def _prepare_onnxruntime(
    network: nn.Module, inputs: Sequence[ClipSpec], clips: _Clips, device: str, threads: int
) -> Prepared:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        export_onnx(network, inputs), options, providers=["CPUExecutionProvider"]
    )
    feed = {node.name: clip.numpy() for node, clip in zip(session.get_inputs(), clips, strict=True)}
    version = f"onnxruntime {onnxruntime.__version__}"
    return Prepared(lambda: session.run(None, feed), version, _cpu_name())


def _prepare_openvino(
    network: nn.Module, inputs: Sequence[ClipSpec], clips: _Clips, device: str, threads: int
) -> Prepared:
    try:
        import openvino
    except ImportError as error:
        raise UserError(
            "Runtime 'openvino' is not installed; run pip install 'vidnas[openvino]'."
        ) from error
    core = openvino.Core()
    model = core.read_model(export_onnx(network, inputs))
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    arrays = [clip.numpy() for clip in clips]
    version = f"openvino {openvino.__version__.split('-')[0]}"
    return Prepared(lambda: request.infer(arrays), version, _cpu_name())


def _prepare_torch(
    network: nn.Module, inputs: Sequence[ClipSpec], clips: _Clips, device: str, threads: int
) -> Prepared:
    place = _torch_device(device)
    module = copy.deepcopy(network).eval().to(place)
    clips = tuple(clip.to(place) for clip in clips)
    on_cpu = place.type == "cpu"

    @torch.inference_mode()
    def run() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            module(*clips)
            if not on_cpu:
                torch.cuda.synchronize(place)
        finally:
            torch.set_num_threads(before)

    name = _cpu_name() if on_cpu else f"{place} ({torch.cuda.get_device_name(place)})"
    return Prepared(run, f"torch {torch.__version__}", name)


def _torch_device(device: str) -> torch.device:
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"Device {device!r} is unknown; choose cpu, cuda or cuda:N.") from error
    if place.type not in ("cpu", "cuda"):
        raise UserError(f"Device {device!r} cannot be timed; choose cpu, cuda or cuda:N.")
    if place.type == "cuda":
        count = torch.cuda.device_count()
        if (place.index or 0) >= count:
            raise UserError(
                f"Device {device!r} does not exist: torch sees {count} CUDA device(s); use another."
            )
    return place


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"cpu ({models[0] if models else platform.processor() or platform.machine()})"


RUNTIMES: dict[str, Callable[[nn.Module, Sequence[ClipSpec], Any, str, int], Prepared]] = {
    "onnxruntime": _prepare_onnxruntime,
    "openvino": _prepare_openvino,
    "torch": _prepare_torch,
}
"""How to prepare a network for each runtime, by the name that people type."""
