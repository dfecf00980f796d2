from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vidnas.families import create_network, find_architecture, list_architectures
from vidnas.families.assemblenet.designs import DESIGNS
from vidnas.profiling import count_cost
from vidnas.profiling.counting import _Counter


def test_counts_equal_those_by_hand(architecture) -> None:
    cost = count_cost(architecture, num_classes=3)
    convolutions = 4 * 3 * 9 + 4 * 9 + (8 * 2 + 8)
    assert cost.parameters == convolutions + 2 * 4 + (8 * 3 + 3)
    stem = 2 * 8 * 8 * 4 * 3 * 9
    depthwise = 2 * 4 * 4 * 4 * 9
    grouped = 2 * 4 * 4 * 8 * 2
    assert cost.macs == stem + depthwise + grouped + 8 * 3
    # The normalised frames, made contiguous, and the stem's output before and after its norm live
    # at once; the clip is alive all the time.
    clip, features = 3 * 2 * 8 * 8 * 4, 4 * 2 * 8 * 8 * 4
    assert clip + 2 * features <= cost.activation_bytes <= 4 * clip + 3 * features


def test_activations_are_freed_when_nothing_refers_to_them() -> None:
    def peak(depth: int) -> int:
        stack = nn.Sequential(*(nn.Sigmoid() for _ in range(depth)))
        clip = torch.empty(1, 100, device="meta")
        with torch.no_grad(), _Counter(stack, (clip,)) as counted:
            stack(clip)
        return counted.peak_bytes

    assert peak(1) == 2 * 400  # the clip and its image
    assert peak(2) == peak(20) == 3 * 400  # the clip, what a layer eats and what it makes


@pytest.mark.parametrize(("frames", "size_px"), [(8, 32), (2, 16), (6, 160)])
def test_what_flow_takes_is_counted(frames: int, size_px: int) -> None:
    clip = {"frames": frames, "size_px": size_px}
    architecture = DESIGNS[2].model_copy(update=clip)
    network = create_network(architecture, num_classes=3).eval()
    clips = [torch.rand(spec.shape()) for spec in architecture.inputs]
    with torch.no_grad(), _Counter(network, clips) as run:
        network(*clips)
    counted = count_cost(architecture, num_classes=3).activation_bytes
    assert run.peak_bytes <= counted < 1.1 * run.peak_bytes


def test_views_and_weights_are_not_activations() -> None:
    linear = nn.Linear(100, 100, device="meta")
    clip = torch.empty(1, 100, device="meta")
    with torch.no_grad(), _Counter(linear, (clip,)) as counted:
        clip.view(10, 10).t().unsqueeze(0)
        linear.weight.t().unsqueeze(0)
    assert counted.peak_bytes == 400


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(8, 12, 3, padding=1, groups=4),
        nn.Conv3d(8, 8, 3, padding=1, groups=8),
        nn.ConvTranspose2d(8, 4, 2, stride=2),
        nn.Linear(8, 5),
    ],
    ids=lambda module: type(module).__name__,
)
def test_macs_equal_torchs_flop_counter(module: nn.Module) -> None:
    shapes = {nn.Conv3d: (2, 8, 5, 6, 7), nn.Linear: (2, 8)}
    clip = torch.empty(shapes.get(type(module), (2, 8, 6, 7)), device="meta")
    module = module.to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as expected:
        module(clip)
    with torch.no_grad(), _Counter(module, (clip,)) as counted:
        module(clip)
    assert counted.flops == expected.get_total_flops() > 0


@pytest.mark.parametrize("name", list_architectures())
def test_published_architectures_are_counted_without_weights(name: str) -> None:
    architecture = find_architecture(name)
    cost = count_cost(architecture, num_classes=10)
    with torch.device("meta"):
        network = create_network(name, num_classes=10).eval()
        clips = [torch.empty(spec.shape()) for spec in architecture.inputs]
    with torch.no_grad(), FlopCounterMode(display=False) as expected:
        network(*clips)
    assert cost.macs == expected.get_total_flops() // 2
    # The fixed edge weights of published AssembleNets are not trained.
    assert cost.parameters == sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert cost.activation_bytes > sum(clip.numel() * 4 for clip in clips)
    assert cost.latency is None
