"""A step that takes each frame once against clip by clip: equality over 200 frames, and the cost.

Each family has one network with random weights, of the size of those that a search visits; that of
Tiny Video Networks also with causal layers. A step takes one frame. Its answers are compared with
those of the network for the same frames: all of them, or every eighth where these are all since the
begin. Costs are operations, counted, and the latency of a step and of a clip in ONNX Runtime on one
thread, both in turns and each beside the reference network.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.clips import find_clips
from benchmarks.results import Results, options, print_table

if TYPE_CHECKING:
    from torch import Tensor

    from vidnas.families import Architecture
    from vidnas.profiling.streaming import StreamingStep

_FRAMES, _REPEATS = 200, 40


def architectures() -> dict[str, Architecture]:
    """Return a network of each family, on frames of RGB."""
    from vidnas.families import find_architecture
    from vidnas.families.assemblenet.designs import DESIGNS as ASSEMBLENETS
    from vidnas.families.evanet.designs import DESIGNS, INCEPTION_DESIGNS
    from vidnas.families.tinystreams.designs import DESIGNS as STREAMS
    from vidnas.families.tinyvideonet.designs import DESIGNS as TINY

    appearance = next(
        one
        for one in ASSEMBLENETS
        if all(one.stems[node].kind == "rgb" for node in one.built if node < len(one.stems))
    )
    size = {"frames": 16, "frame_stride": 1, "size_px": 64}
    tiny = TINY[0].model_copy(update=size)
    return {
        "tinyvideonet": tiny,
        "tinyvideonet, causal": tiny.model_copy(update={"causal": True}),
        "tinystreams": STREAMS[3],
        "baselines": find_architecture("r2plus1d_18").model_copy(update={**size, "width": 0.25}),
        "evanet": DESIGNS[0].model_copy(update=size),
        "evanet_inception": INCEPTION_DESIGNS[0].model_copy(update={**size, "width": 0.25}),
        "assemblenet": appearance.model_copy(update=size),
    }


def compare(architecture: Architecture, video: Path) -> dict[str, Any]:
    """Run a network both ways over a video."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from vidnas.families import create_network
    from vidnas.profiling.streaming import StreamingStep

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = create_network(architecture, 5).eval()
    step = StreamingStep(network)
    counted = []
    clips = [torch.zeros(spec.shape()) for spec in architecture.inputs]
    new = [torch.zeros(shape) for shape in step.takes]
    for run, given in ((step, [*new, *step.begin()]), (network, clips)):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            run(*given)
        counted.append(counter.get_total_flops())
    return {
        **_differences(step, [_frames(video, spec.size_px) for spec in architecture.inputs]),
        "operations": counted[0] / counted[1],
        "state_bytes": sum(one.nbytes for one in step.begin()),
        **_latencies(step),
    }


def _differences(step: StreamingStep, videos: list[Tensor]) -> dict[str, float]:
    import numpy as np
    import torch

    from vidnas.deploy.streaming import chosen
    from vidnas.profiling.onnx import export_step
    from vidnas.profiling.onnx_stream import OnnxStream

    stream = OnnxStream(export_step(step), threads=1)
    every = 8 if step.network.carries_past else 1
    largest, scale, compared = 0.0, 0.0, 0
    for number in range((_FRAMES - 1) // step.hop + 1):
        found = stream([one.numpy() for one in chosen(videos, step.taken_at(number))])
        if number >= step.warmup_steps and number % every == 0:
            with torch.inference_mode():
                expected = step.network(*chosen(videos, step.seen_at(number))).numpy()
            largest = max(largest, float(np.abs(found - expected).max()))
            scale = max(scale, float(np.abs(expected).max()))
            compared += 1
    return {"largest_difference": largest, "largest_logit": scale, "answers": compared}


def _latencies(step: StreamingStep) -> dict[str, Any]:
    from vidnas.profiling.latency import calibrate, measure_in_turns
    from vidnas.profiling.runtimes import prepare, prepare_step

    inputs = step.network.architecture.inputs
    clip = prepare(step.network, inputs, runtime="onnxruntime", device="cpu", threads=1)
    ways = {"clip": clip, "step": prepare_step(step, threads=1)}
    found = measure_in_turns(ways, dict.fromkeys(ways, calibrate()), threads=1, repeats=_REPEATS)
    return {way: latency.model_dump(mode="json") for way, latency in found.items()}


def _frames(video: Path, size_px: int) -> Tensor:
    """Return 200 frames `(1, 3, 200, size_px, size_px)`; a shorter video begins again."""
    import numpy as np
    import torch

    from vidnas.data.reading import read_video

    frames, _ = read_video(video, size_px=size_px)
    top, left = ((side - size_px) // 2 for side in frames.shape[1:3])
    square = frames[:, top : top + size_px, left : left + size_px]
    chosen = square[np.arange(_FRAMES) % len(square)]
    return torch.from_numpy(chosen).permute(3, 0, 1, 2)[None].float() / 255


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--video", type=Path, help="by default a generated clip")
    arguments = parser.parse_args()
    results = Results("streaming", arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        video = arguments.video or next(find_clips("demo", Path(folder)).rglob("*.mp4"))
        for name, architecture in architectures().items():
            line = results.find(family=name) or results.add(
                family=name, **compare(architecture, video)
            )
            clip_ms, step_ms = (line[way]["p50_ms"] for way in ("clip", "step"))
            rows.append(
                (
                    name,
                    f"{line['answers']}",
                    f"{line['largest_difference']:.1e} of {line['largest_logit']:.2g}",
                    f"{line['operations']:.2f}",
                    f"{clip_ms:.2f}, {step_ms:.2f}",
                    f"{step_ms / clip_ms:.2f}",
                )
            )
    print_table(
        ("family", "answers", "largest difference", "operations", "ms: clip, step", "ratio"), rows
    )
    results.finish()


if __name__ == "__main__":
    main()
