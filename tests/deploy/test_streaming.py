"""Streaming: windows that follow each other give what the network gives for each of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vidnas.core import UserError
from vidnas.deploy.streaming import StreamingNetwork, chosen, clip_at
from vidnas.families import (
    Architecture,
    Network,
    architecture_from_json,
    create_network,
    families,
    find_architecture,
)
from vidnas.families.assemblenet import AssembleNet
from vidnas.families.assemblenet.designs import DESIGNS as ASSEMBLENETS
from vidnas.families.ensemble import Ensemble, Member
from vidnas.families.evanet.designs import INCEPTION_DESIGNS
from vidnas.layers.window import CannotStream
from vidnas.profiling.onnx import export_step
from vidnas.profiling.onnx_stream import OnnxStream
from vidnas.profiling.streaming import StreamingStep

INSTALLED = [point.name for point in entry_points(group="vidnas.families")]
SEARCHED = [name for name in INSTALLED if families()[name].space is not None]
TVN = """{"family": "tinyvideonet", "size_px": 32, "frames": 12, "frame_stride": 2, "blocks": [
  {"filters": 8, "spatial_type": "std", "spatial_kernel": 3, "spatial_stride": 2, "skip": true,
   "temporal_type": "1d", "temporal_kernel": 3, "repeats": 3},
  {"filters": 8, "spatial_kernel": 3, "spatial_stride": 2, "temporal_type": "%s",
   "temporal_kernel": %d, "temporal_stride": %d, "repeats": 1, "skip": true, "expand": 2%s}]}"""
CAUSAL_TVN = TVN.replace('"size_px"', '"causal": true, "size_px"')
STREAMS = """{"family": "tinystreams", "streams": [
  {"modality": "rgb", "frames": 2, "frame_stride": 8, "size_px": 32},
  {"modality": "rgb", "frames": 8, "frame_stride": 2, "size_px": 16}], "nodes": [
  {"block": {"filters": 8, "spatial_kernel": 3, "spatial_stride": 2}, "inputs": [0]},
  {"block": {"filters": 8, "spatial_kernel": 3, "temporal_kernel": 3}, "inputs": [1]},
  {"block": {"filters": 8, "spatial_kernel": 3}, "inputs": [2, 3]}]}"""


def randomised(network: Network) -> Network:
    """The network with statistics as after training, and no branch that starts at zero."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.2, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
    for normalization in getattr(network, "normalizations", []):
        channels = len(normalization.mean)
        normalization.set_statistics(torch.full((channels,), 0.4), torch.full((channels,), 0.2))
    return network.eval()


def _stems(architecture: AssembleNet) -> set[str]:
    return {stem.kind for node, stem in enumerate(architecture.stems) if node in architecture.built}


def of(architecture: Architecture) -> Network:
    torch.manual_seed(0)
    return randomised(create_network(architecture, 5))


def of_name(name: str, **genes: object) -> Network:
    return of(find_architecture(name).model_copy(update=genes))


def of_text(text: str) -> Network:
    return of(architecture_from_json(text))


APPEARANCE, FLOWING = (
    next(one for one in ASSEMBLENETS if ("flow" in _stems(one)) is flows).model_copy(
        update={"frames": 12, "frame_stride": 1, "size_px": 16}
    )
    for flows in (False, True)
)
GATED = architecture_from_json(TVN % ("1d", 3, 1, ', "context_gate": true'))


CAUSAL = {
    "causal": lambda: of_text(CAUSAL_TVN % ("1d", 3, 1, "")),
    "causal, stride in time": lambda: of_text(CAUSAL_TVN % ("maxpool", 3, 2, "")),
    "causal, average": lambda: of_text(CAUSAL_TVN % ("avgpool", 5, 3, "")),
    "causal, gates": lambda: of_text(
        CAUSAL_TVN % ("1d", 3, 1, ', "squeeze": 0.5, "context_gate": true, "non_local": 8')
    ),
    "causal, two frames left": lambda: of_text(
        CAUSAL_TVN.replace('"frames": 12', '"frames": 6') % ("1d", 5, 3, "")
    ),
}
NETWORKS = {
    "tinyvideonet": lambda: of_text(TVN % ("1d", 3, 1, "")),
    "tinyvideonet, stride in time": lambda: of_text(TVN % ("maxpool", 3, 2, "")),
    "tinyvideonet, average": lambda: of_text(TVN % ("avgpool", 5, 1, "")),
    "tinyvideonet, gates": lambda: of_text(TVN % ("1d", 3, 1, ', "squeeze": 0.5')),
    "tinyvideonet, non-local": lambda: of_text(TVN % ("1d", 3, 1, ', "non_local": 8')),
    "tinystreams": lambda: of_text(STREAMS),
    "baselines": lambda: of_name("r2plus1d_18", width=0.05, size_px=16, frames=24),
    "evanet": lambda: of_name("evanet_a", width=0.02, size_px=16, frames=24),
    "evanet_inception": lambda: of(
        INCEPTION_DESIGNS[4].model_copy(update={"width": 0.03, "size_px": 16, "frames": 24})
    ),
    "assemblenet": lambda: of(
        APPEARANCE.model_copy(update={"frames": 12, "frame_stride": 1, "size_px": 16})
    ),
    "assemblenet, peer attention": lambda: of(APPEARANCE.model_copy(update={"attention": "peer"})),
    "ensemble": lambda: of(
        Ensemble(members=(Member(architecture=APPEARANCE), Member(architecture=GATED, weight=2)))
    ),
}


def video_of(network: Network, count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [
        torch.rand((1, spec.channels, count, spec.size_px, spec.size_px), generator=generator)
        for spec in network.architecture.inputs
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_windows_give_what_their_clips_give(name: str) -> None:
    network = NETWORKS[name]()
    stream = StreamingNetwork(network)
    specs = network.architecture.inputs
    steps = 4 + max(spec.span_frames for spec in specs) // stream.hop
    videos = video_of(network, max(spec.span_frames for spec in specs) + steps * stream.hop)
    for step in range(steps):
        clips = clips_at(network, videos, step * stream.hop)
        with torch.inference_mode():
            expected = network(*clips).numpy()
        scale = max(1.0, float(np.abs(expected).max()))
        assert stream(*clips).numpy() == pytest.approx(expected, abs=1e-5 * scale)


def clips_at(network: Network, videos: list[Tensor], start: int) -> list[Tensor]:
    specs = network.architecture.inputs
    return [clip_at(video, spec, start) for video, spec in zip(videos, specs, strict=True)]


def operations(network: nn.Module | StreamingNetwork, clips: list[Tensor]) -> int:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(*clips)
    return counter.get_total_flops()


def filled(network: Network, hop: int | None = None) -> tuple[StreamingNetwork, list[Tensor]]:
    """A stream that has seen as much as a window, and the next clips."""
    stream = StreamingNetwork(network, hop=hop)
    steps = 2 + max(spec.span_frames for spec in network.architecture.inputs) // stream.hop
    videos = video_of(network, 200)
    for step in range(steps):
        stream(*clips_at(network, videos, step * stream.hop))
    return stream, clips_at(network, videos, steps * stream.hop)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("tinyvideonet", 0.3),
        ("tinyvideonet, gates", 0.3),
        ("tinystreams", 0.45),
        ("baselines", 0.55),
        ("evanet", 0.8),
        ("evanet_inception", 0.35),
        ("assemblenet", 0.98),
    ],
)
def test_what_it_saves(name: str, share: float) -> None:
    network = NETWORKS[name]()
    stream, clips = filled(network)
    assert operations(stream, clips) < share * operations(network, clips)


def test_layers_over_space_see_each_frame_once() -> None:
    network = NETWORKS["tinyvideonet"]()
    seen: list[int] = []
    first = network.units[0].spatial  # type: ignore[union-attr,index]
    videos = video_of(network, 60)
    step = StreamingStep(network)
    first.register_forward_pre_hook(lambda module, given: seen.append(given[0].span.count))
    state = step.begin()
    for number in range(20):
        with torch.inference_mode():
            _, *state = step(*chosen(videos, step.taken_at(number)), *state)
    assert set(seen) == {1}


@pytest.mark.parametrize("hop", [1, 2, 3, 4, 6])
def test_windows_may_move_by_any_number_of_frames(hop: int) -> None:
    """The frames of a clip are two apart: with an odd hop every other window shares some."""
    network = NETWORKS["tinyvideonet, stride in time"]()
    stream = StreamingNetwork(network, hop=hop)
    videos = video_of(network, 200)
    for start in range(0, 90, hop):
        clips = clips_at(network, videos, start)
        with torch.inference_mode():
            expected = network(*clips).numpy()
        assert stream(*clips).numpy() == pytest.approx(expected, abs=1e-5)


def test_a_stream_begins_again() -> None:
    network = NETWORKS["tinyvideonet"]()
    stream, clips = filled(network)
    stream.reset()
    with torch.inference_mode():
        expected = network(*clips).numpy()
    assert stream(*clips).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_network_takes_each_frame_once_and_remembers_all(name: str) -> None:
    network = CAUSAL[name]()
    step, videos = StreamingStep(network), video_of(network, 60)
    state = step.begin()
    for number in range(25):
        with torch.inference_mode():
            found, *state = step(*chosen(videos, step.taken_at(number)), *state)
            expected = network(videos[0][:, :, : 2 * number + 1 : 2])  # all since the begin
        if number >= step.warmup_steps:
            assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    new = [torch.rand(shape) for shape in step.takes]
    one = operations(step, [*new, *state])
    clip = operations(network, [torch.rand(spec.shape()) for spec in network.architecture.inputs])
    assert one < 1.35 * clip / network.architecture.inputs[0].frames


def test_a_causal_stream_begins_like_the_network() -> None:
    network = CAUSAL["causal, stride in time"]()
    step, videos = StreamingStep(network), video_of(network, 60)
    state, frames = step.begin(), network.architecture.inputs[0].frames
    for number in range(frames):
        with torch.inference_mode():
            found, *state = step(*chosen(videos, step.taken_at(number)), *state)
    assert step.warmup_steps == frames - 1
    with torch.inference_mode():
        expected = network(clip_at(videos[0], network.architecture.inputs[0], 0)).numpy()
    assert found.numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", [*NETWORKS, *CAUSAL])
def test_the_step_in_onnx_gives_what_the_network_gives(name: str) -> None:
    network = (NETWORKS | CAUSAL)[name]()
    step = StreamingStep(network)
    stream = OnnxStream(export_step(step), threads=1)
    last = step.warmup_steps + 3
    videos = video_of(network, 1 + max(seen.stop for seen in step.seen_at(last)))
    for number in range(last + 1):
        found = stream([one.numpy() for one in chosen(videos, step.taken_at(number))])
    with torch.inference_mode():
        expected = network(*chosen(videos, step.seen_at(last))).numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    assert found == pytest.approx(expected, abs=1e-5 * scale)


def centred() -> Network:
    return of(NETWORKS["tinyvideonet"]().architecture.model_copy(update={"normalization": "clip"}))


def spread() -> Network:
    return of(NETWORKS["tinyvideonet"]().architecture.model_copy(update={"sampling": "uniform"}))


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (centred, "looks at the whole clip first"),
        (lambda: of(FLOWING), "looks at the whole clip first"),
        (spread, "spread evenly over whole videos"),
    ],
)
def test_what_cannot_stream_says_why(network: Callable[[], Network], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        StreamingNetwork(network())


def test_streams_that_do_not_move_on_together_are_said() -> None:
    """A stride of 3 beside one of 2 would take two frames at once, of which one is ahead."""
    network = of_text(STREAMS.replace('"frame_stride": 8', '"frame_stride": 3'))
    with pytest.raises(UserError, match=r"its clips of strides \[3, 2\] do not move on together"):
        StreamingNetwork(network)


@pytest.mark.parametrize("name", SEARCHED)
def test_what_a_search_for_streams_draws_can_stream(name: str) -> None:
    build = families()[name].space
    assert build is not None
    space = build(max_size_px=32, max_frames=16).for_streams()
    rng = np.random.default_rng(0)
    able = sum(can_stream(of(space.random(rng))) for _ in range(10))
    assert able >= 5
    assert any(can_stream(of(design)) for design in space.designs())


def can_stream(network: Network) -> bool:
    try:
        StreamingStep(network)
    except CannotStream:
        return False
    return all(spec.frames > 1 for spec in network.architecture.inputs)


def test_windows_that_share_nothing_are_said() -> None:
    with pytest.raises(UserError, match="24 frames apart share no frames"):
        StreamingNetwork(NETWORKS["tinyvideonet"](), hop=24)


class Rolling(nn.Module):
    """A layer that mixes frames in a way that nobody foresaw."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.5 * torch.roll(x, 1, 0)


def test_a_network_that_would_give_something_else_is_refused() -> None:
    network = NETWORKS["tinyvideonet"]()
    network.units[1].widen = Rolling()  # type: ignore[union-attr,index]
    with pytest.raises(UserError, match="it computes something else"):
        StreamingNetwork(network)
