from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vidnas.deploy import Model, ModelCard
from vidnas.families import architecture_from_json, create_network

TINY = """{"family": "tinyvideonet", "size_px": 32, "frames": 4, "frame_stride": 2, "blocks": [
  {"filters": 8, "spatial_type": "std", "spatial_kernel": 3, "spatial_stride": 2,
   "temporal_type": "1d", "temporal_kernel": 3, "repeats": 1},
  {"filters": 8, "spatial_type": "std", "spatial_kernel": 3, "spatial_stride": 2, "repeats": 1}]}"""


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    network = create_network(architecture_from_json(TINY), 3).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    network.normalizations[0].set_statistics(torch.full((3,), 0.4), torch.full((3,), 0.2))
    return Model(network, ("left", "right", "päuse"), ModelCard(data="abc"))


@pytest.fixture(params=["single", "several", "causal"])
def wide(model: Model, request: pytest.FixtureRequest) -> Model:
    """A model that sees three squares, for as long as the video below lasts; of one class or
    several, or with a network that could carry its past."""
    genes = {"frames": 20, "frame_stride": 1, "causal": request.param == "causal"}
    network = create_network(model.architecture.model_copy(update=genes), 3).eval()
    with torch.no_grad():  # so that it is sure of something
        for layer in network.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(1000)
    card = {"squares": 3, "multi_label": request.param == "several"}
    return replace(model, network=network, card=model.card.model_copy(update=card))


@pytest.fixture
def clip() -> torch.Tensor:
    return torch.rand(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def architecture_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(TINY)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "noise.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for brightness in range(20):
            noise = rng.integers(0, 10 + 12 * brightness, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    return path
