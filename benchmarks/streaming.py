"""Windows that share frames against clip by clip: equality over 200 frames, and the cost of each.

Each family has one network with random weights, of the size of those that a search visits. A window
moves by the stride of its clip, so that it brings one frame. Costs are operations, counted, and the
median CPU time of a window in torch on one thread, the two ways in turns.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.clips import find_clips
from benchmarks.results import Results, options, print_table

if TYPE_CHECKING:
    from torch import Tensor

    from vidnas.families import Architecture, Network

_FRAMES = 200


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
    return {
        "tinyvideonet": TINY[0].model_copy(update=size),
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

    from vidnas.deploy.streaming import StreamingNetwork, clip_at
    from vidnas.families import create_network

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = create_network(architecture, 5).eval()
    stream = StreamingNetwork(network)
    specs = architecture.inputs
    videos = [_frames(video, spec.size_px) for spec in specs]
    window = max(spec.span_frames for spec in specs)
    largest, scale = 0.0, 0.0
    times_s: dict[str, list[float]] = {"stream": [], "clip": []}
    clips: list[Tensor] = []
    with torch.inference_mode():
        for start in range(0, _FRAMES - window + 1, stream.hop):
            clips = [clip_at(one, spec, start) for one, spec in zip(videos, specs, strict=True)]
            found, stream_s = _timed(stream, clips)
            expected, clip_s = _timed(network, clips)
            largest = max(largest, float((found - expected).abs().max()))
            scale = max(scale, float(expected.abs().max()))
            if start > 2 * window:
                times_s["stream"].append(stream_s)
                times_s["clip"].append(clip_s)
    counted = []
    for run in (stream, network):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            run(*clips)
        counted.append(counter.get_total_flops())
    medians_ms = {way: 1000 * statistics.median(each) for way, each in times_s.items()}
    return {
        "largest_difference": largest,
        "largest_logit": scale,
        "operations": counted[0] / counted[1],
        "cpu_ms": medians_ms,
        "cpu": medians_ms["stream"] / medians_ms["clip"],
    }


def _timed(run: Network | Callable[..., Tensor], clips: list[Tensor]) -> tuple[Tensor, float]:
    began_s = time.thread_time()
    return run(*clips), time.thread_time() - began_s


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
            rows.append(
                (
                    name,
                    f"{line['largest_difference']:.1e}",
                    f"{line['operations']:.2f}",
                    f"{line['cpu']:.2f}",
                    f"{line['cpu_ms']['clip']:.1f}, {line['cpu_ms']['stream']:.1f}",
                )
            )
    print_table(
        ("family", "largest difference", "operations", "CPU time", "ms: clip, stream"), rows
    )
    results.finish()


if __name__ == "__main__":
    main()
