from __future__ import annotations

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
