"""Clips normalised inside the network: by the training clips, or each by itself."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import torch

from vidnas.families import architecture_from_json, create_network
from vidnas.families.network import Normalization
from vidnas.profiling.onnx import export_onnx


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_by_statistics_it_is_the_identity_until_they_are_set() -> None:
    clip, layer = noise(2, 3, 4, 5, 5), Normalization(3)
    assert torch.equal(layer(clip), clip)
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.25, 0.2])
    layer.set_statistics(mean, std)
    expected = (clip - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1)
    assert torch.allclose(layer(clip), expected, atol=1e-6)


def test_centred_on_itself_a_clip_that_stands_still_is_nothing() -> None:
    layer = Normalization(3, centred=True)
    assert torch.equal(layer(torch.full((2, 3, 4, 5, 5), 0.25)), torch.zeros(2, 3, 4, 5, 5))
    still = noise(2, 3, 1, 5, 5).expand(-1, -1, 4, -1, -1)
    assert layer(still).abs().max() < 1e-4


def test_a_background_vanishes_and_what_moves_stays() -> None:
    layer = Normalization(1, centred=True)
    clip = torch.zeros(1, 1, 4, 4, 4)
    for time in range(4):
        clip[0, 0, time, 2, time] = 1.0
    backed = 0.5 * clip + 0.4 * noise(1, 1, 1, 4, 4)
    found = layer(backed)
    assert torch.allclose(found, layer(clip), atol=0.02)  # nor does its brightness matter
    assert found[0, 0, :, [0, 1, 3]].abs().max() < 1e-5
    assert found[0, 0, 1, 2].argmax() == 1


def test_every_clip_has_a_deviation_of_one_and_a_mean_of_zero_by_itself() -> None:
    layer = Normalization(3, centred=True)
    dim, bright = 0.2 * noise(1, 3, 4, 8, 8), noise(1, 3, 4, 8, 8)
    found = layer(torch.cat([dim, bright]))
    assert found.mean(dim=2).abs().max() < 1e-5
    assert found.square().mean(dim=(1, 2, 3, 4)).tolist() == pytest.approx([1, 1], abs=0.05)
    assert torch.allclose(found[1:], layer(bright), atol=1e-6)


def test_noise_of_a_camera_is_not_amplified() -> None:
    quiet = 0.5 + 0.002 * (noise(1, 3, 8, 8, 8) - 0.5)
    assert Normalization(3, centred=True)(quiet).abs().max() < 0.15


def tiny(frames: int, **genes: object) -> str:
    block = {"filters": 4, "spatial_kernel": 3, "spatial_stride": 2, "temporal_kernel": 3}
    asked = {"family": "tinyvideonet", "size_px": 16, "frames": frames, "blocks": [block], **genes}
    return json.dumps(asked)


def test_a_gene_says_which() -> None:
    def centred(frames: int, **genes: object) -> bool:
        network = create_network(architecture_from_json(tiny(frames, **genes)), 3)
        return bool(network.normalizations[0].centred)

    assert centred(4, normalization="clip")
    assert not centred(4, normalization="data")
    assert not centred(4)
    assert not centred(1, normalization="clip")  # it would leave nothing of one frame


def test_the_gene_counts_only_where_it_matters() -> None:
    def digest(frames: int, **genes: object) -> str:
        return architecture_from_json(tiny(frames, **genes)).digest

    assert digest(4, normalization="clip") != digest(4)
    assert digest(1, normalization="clip") == digest(1)


@pytest.mark.parametrize("kind", ["data", "clip"])
def test_the_exported_graph_normalises_as_the_network_does(kind: str) -> None:
    torch.manual_seed(0)
    network = create_network(architecture_from_json(tiny(4, normalization=kind)), 3).eval()
    network.normalizations[0].set_statistics(torch.full((3,), 0.4), torch.full((3,), 0.2))
    graph = export_onnx(network, network.architecture.inputs)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for clip in (noise(2, 3, 4, 16, 16), torch.full((1, 3, 4, 16, 16), 0.5)):
        (found,) = session.run(None, {session.get_inputs()[0].name: clip.numpy()})
        with torch.inference_mode():
            np.testing.assert_allclose(found, network(clip).numpy(), atol=1e-4)
