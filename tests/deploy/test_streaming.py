"""Streaming: windows that follow each other give what the network gives for each of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vidnas.core import UserError
from vidnas.deploy.streaming import StreamingNetwork, clip_at
from vidnas.families import Network, architecture_from_json, create_network, find_architecture

TVN = """{"family": "tinyvideonet", "size_px": 32, "frames": 12, "frame_stride": 2, "blocks": [
  {"filters": 8, "spatial_type": "std", "spatial_kernel": 3, "spatial_stride": 2, "skip": true,
   "temporal_type": "1d", "temporal_kernel": 3, "repeats": 3},
  {"filters": 8, "spatial_kernel": 3, "spatial_stride": 2, "temporal_type": "%s",
   "temporal_kernel": %d, "temporal_stride": %d, "repeats": 1, "skip": true, "expand": 2%s}]}"""
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


def of_name(name: str, **genes: object) -> Network:
    architecture = find_architecture(name).model_copy(update=genes)
    torch.manual_seed(0)
    return randomised(create_network(architecture, 5))


def of_text(text: str) -> Network:
    torch.manual_seed(0)
    return randomised(create_network(architecture_from_json(text), 5))


NETWORKS = {
    "tinyvideonet": lambda: of_text(TVN % ("1d", 3, 1, "")),
    "tinyvideonet, stride in time": lambda: of_text(TVN % ("maxpool", 3, 2, "")),
    "tinyvideonet, average": lambda: of_text(TVN % ("avgpool", 5, 1, "")),
    "tinyvideonet, gates": lambda: of_text(TVN % ("1d", 3, 1, ', "squeeze": 0.5')),
    "tinyvideonet, non-local": lambda: of_text(TVN % ("1d", 3, 1, ', "non_local": 8')),
    "tinystreams": lambda: of_text(STREAMS),
    "baselines": lambda: of_name("r2plus1d_18", width=0.1, size_px=32, frames=32),
    "evanet": lambda: of_name("evanet_a", width=0.05, size_px=32, frames=64),
    "evanet_inception": lambda: of_name("evanet_inception_1", width=0.05, size_px=64, frames=64),
    "assemblenet": lambda: of_name("assemblenet_lite", width=0.2, size_px=32, frames=24),
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
    steps = 8 + max(spec.span_frames for spec in specs) // stream.hop
    videos = video_of(network, max(spec.span_frames for spec in specs) + steps * stream.hop)
    for step in range(steps):
        clips = [
            clip_at(video, spec, step * stream.hop)
            for video, spec in zip(videos, specs, strict=True)
        ]
        with torch.inference_mode():
            expected = network(*clips).numpy()
        scale = max(1.0, np.abs(expected).max())
        assert stream(*clips).numpy() == pytest.approx(expected, abs=1e-5 * scale)
