"""A small real cache, and a small network with dropout and batch norm."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vidnas.core import ClipSpec
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import Dataset, Video, load_dataset
from vidnas.families import Architecture, Family, Network, create_network

COUNTS = {"red": (9, 3, 4), "green": (9, 3, 4), "blue": (3, 3, 4)}  # train, val, test
COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


class Probe(Architecture):
    """A network of one convolution that learns colours in seconds."""

    family: ClassVar[str] = "probe"
    frames: int = 2

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        return (ClipSpec(frames=self.frames, frame_stride=2, size_px=16),)


class ProbeNetwork(Network):
    def __init__(self, architecture: Probe, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        self.frames = architecture.frames
        self.conv = nn.Conv2d(3, 8, 16, stride=16)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.2)
        self.dense = nn.Linear(8, num_classes)

    def forward(self, clip: Tensor) -> Tensor:
        x = self.normalizations[0](clip).transpose(1, 2).flatten(0, 1)
        x = torch.relu(self.norm(self.conv(x))).mean(dim=(2, 3))
        x = x.unflatten(0, (-1, self.frames)).mean(dim=1)
        return self.dense(self.dropout(x))


FAMILY = Family("probe", Probe, network=ProbeNetwork)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    """21 training, 9 validation and 12 test clips of three colours, in noise."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = ["path,label,split"]
    for name, counts in COUNTS.items():
        for split, count in zip(("train", "val", "test"), counts, strict=True):
            for number in range(count):
                path = f"{name}-{split}-{number}.mp4"
                write_clip(folder / path, COLOURS[name], rng)
                rows.append(f"{path},{name},{split}")
    table = folder / "clips.csv"
    table.write_text("\n".join(rows) + "\n")
    return build_cache(load_dataset(table), size_px=16, directory=folder / "cache")


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    """24 training, 8 validation and 16 test clips, each of any of three colours, or of none."""
    folder = tmp_path_factory.mktemp("shown")
    rng = np.random.default_rng(1)
    videos = []
    for split, count in (("train", 24), ("val", 8), ("test", 16)):
        for number in range(count):
            labels = tuple(label for label in range(3) if number >> label & 1)
            path = folder / f"{split}-{number}.mp4"
            red, green, blue = (200 if label in labels else 60 for label in range(3))
            write_clip(path, (red, green, blue), rng)
            videos.append(Video(path, labels, split))
    dataset = Dataset(folder, tuple(COLOURS), tuple(videos), multi_label=True)
    return build_cache(dataset, size_px=16, directory=folder / "cache")


def write_clip(path: Path, colour: tuple[int, int, int], rng: np.random.Generator) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
        for _ in range(6):
            noisy = rng.normal(colour, 40, (16, 24, 3)).clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def fresh(cache: ClipCache):
    """Build the probe with weights of a seed."""

    def build(seed: int = 0) -> Network:
        torch.manual_seed(seed)
        return create_network(Probe(), len(cache.classes))

    return build
