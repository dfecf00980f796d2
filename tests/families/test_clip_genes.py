"""The genes of clips: a mutation can give each another value that fits the videos."""

from __future__ import annotations

from importlib.metadata import entry_points

import numpy as np
import pytest

from vidnas.families import families
from vidnas.families.clips import ClipBounds, ClipGenes, change_clip

BOUNDS = ClipBounds.for_videos(64, 16, (1, 4, 8, 12, 16))
INSTALLED = [point.name for point in entry_points(group="vidnas.families")]
SEARCHED = [name for name in INSTALLED if families()[name].space is not None]


def changes(genes: ClipGenes) -> dict[int, tuple[int, str]]:
    """Return what becomes of the stride, and what people are told, by numbers of frames."""
    rng, found = np.random.default_rng(0), {}
    for _ in range(100):
        change = change_clip("frames", genes, rng, BOUNDS)
        assert change is not None
        child = genes.model_copy(update=change[0])
        assert BOUNDS.hold_clip(child)
        found[child.frames] = (child.frame_stride, change[1])
    return found


def test_the_stride_gives_way_to_more_frames() -> None:
    assert changes(ClipGenes(frames=8, frame_stride=2, size_px=32)) == {
        1: (2, "frames 8 -> 1"),
        4: (2, "frames 8 -> 4"),
        12: (1, "frames 8 -> 12, frame stride 2 -> 1"),
        16: (1, "frames 8 -> 16, frame stride 2 -> 1"),
    }


@pytest.mark.parametrize("genes", [{"frames": 8, "sampling": "uniform"}, {"frames": 1}])
def test_a_stride_that_does_not_matter_is_not_mentioned(genes: dict[str, object]) -> None:
    found = changes(ClipGenes.model_validate({"size_px": 32, "frame_stride": 8, **genes}))
    assert found.keys() == {1, 4, 8, 12, 16} - {genes["frames"]}
    assert not any("stride" in phrase for _, phrase in found.values())


@pytest.mark.parametrize("name", SEARCHED)
@pytest.mark.parametrize("sampling", ["uniform", "dense"])
def test_children_of_designs_may_have_more_frames(name: str, sampling: str) -> None:
    """A search of short videos once never had them: the stride of the designs stood in the way."""
    build = families()[name].space
    assert build is not None
    space = build(max_size_px=64, max_frames=16, sampling=(sampling,))
    rng = np.random.default_rng(0)
    for design in space.designs()[:2]:
        own = max(spec.frames for spec in design.inputs)
        children = (space.mutate(design, rng)[0] for _ in range(300))
        assert own == 16 or any(max(s.frames for s in one.inputs) > own for one in children)
