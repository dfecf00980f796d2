"""What a network confuses, and which frames it does it by."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import av
import torch
from test_time_use import Watch
from torch import Tensor

from vidnas.core import ClipSpec
from vidnas.data.cache import ClipCache
from vidnas.deploy import Model, ModelCard
from vidnas.families import Network
from vidnas.training import evaluate
from vidnas.workflows.mistakes import find_mistakes

SPEC = ClipSpec(frames=4, frame_stride=1, size_px=16)


class SecondFrame(Network):
    """Takes every clip for the first class, the surer the more contrast its second frame has."""

    def __init__(self, architecture: Watch) -> None:
        super().__init__(architecture, 3)

    def forward(self, clip: Tensor) -> Tensor:
        contrast = clip[:, :, 1].flatten(1).std(dim=1)
        return torch.stack([1 + 5 * contrast, 0 * contrast, 0 * contrast], dim=1)


def test_confused_clips_come_with_the_frames_that_matter(cache: ClipCache, tmp_path: Path) -> None:
    network = SecondFrame(Watch(clips=(SPEC,)))
    found = find_mistakes(Model(network, cache.classes, ModelCard()), cache, tmp_path)
    test = evaluate(network, cache, "test", clips_per_video=3)
    assert found.wrong == test.clips - round(test.top1 * test.clips) == 8
    assert len(found.clips) == 8
    first = cache.classes[0]
    assert {clip.taken for clip in found.clips} == {first}
    assert [clip.truth for clip in found.clips[:2]] == [*cache.classes[1:]]  # in turns
    for clip in found.clips:
        assert clip.truth != first and clip.video in cache.paths
        assert len(clip.drops) == clip.frames == 4
        assert clip.strongest == 1 and clip.drops[1] > 0.005
        assert all(abs(drop) < 1e-6 for place, drop in enumerate(clip.drops) if place != 1)
    surest = [clip.probability for clip in found.clips if clip.truth == cache.classes[1]]
    assert surest == sorted(surest, reverse=True)


def test_a_strip_holds_all_frames(cache: ClipCache, tmp_path: Path) -> None:
    network = SecondFrame(Watch(clips=(SPEC,)))
    clip = find_mistakes(Model(network, cache.classes, ModelCard()), cache, tmp_path).clips[0]
    with av.open(io.BytesIO(base64.b64decode(clip.strip)), format="mjpeg") as file:
        picture = next(file.decode(video=0))
    assert (picture.width, picture.height) == (4 * clip.size_px, clip.size_px)
