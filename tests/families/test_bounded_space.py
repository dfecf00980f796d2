"""What all spaces that mutate share, on the space of Tiny Video Networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vidnas.core import Evaluation, UserError
from vidnas.families import families, find_architecture
from vidnas.families.tinyvideonet import Block, TinyVideoNet
from vidnas.families.tinyvideonet.space import TinyVideoSpace, space

RNG = np.random.default_rng(0)
BLOCK = Block(filters=16, spatial_kernel=3, spatial_stride=2)
PARENT = TinyVideoNet(frames=4, size_px=32, blocks=(BLOCK,), dropout=0)


class Scripted(TinyVideoSpace):
    """Hands out these changes, one after the other."""

    def __init__(self, *changes: dict[str, Any] | None) -> None:
        super().__init__(space(max_size_px=64, max_frames=16).bounds)
        self.changes, self.seen = list(changes), []

    def change(self, parent, rng, evaluation):
        self.seen.append(evaluation)
        genes = self.changes.pop(0)
        return None if genes is None else (genes, f"to {genes}")


def test_changes_that_do_not_apply_are_invalid_or_lead_outside_are_drawn_again() -> None:
    walked = Scripted(None, {"frames": 0}, {"frames": 999}, {"frames": 4}, {"frames": 8})
    child, phrases = walked.mutate(PARENT, RNG)
    assert (child.frames, phrases) == (8, ("to {'frames': 8}",))


def test_a_later_change_does_not_undo_an_earlier_one() -> None:
    walked = Scripted({"frames": 8}, {"frames": 4}, {"frames": 16})
    child, phrases = walked.mutate(PARENT, RNG, strength=2)
    assert (child.frames, len(phrases)) == (16, 2)
    # Only the last one could come back to the parent.
    walked = Scripted({"frames": 8}, {"frames": 4}, {"frames": 16})
    child, phrases = walked.mutate(PARENT, RNG, strength=3)
    assert phrases == ("to {'frames': 8}", "to {'frames': 4}", "to {'frames': 16}")


def test_every_change_sees_the_evaluation_of_the_parent() -> None:
    walked = Scripted({"frames": 8}, {"size_px": 48})
    evaluation = Evaluation(status="ok", fitness=0.5)
    walked.mutate(PARENT, RNG, evaluation, strength=2)
    assert walked.seen == [evaluation, evaluation]


def test_bounds_too_narrow_and_foreign_parents_are_refused() -> None:
    with pytest.raises(UserError, match="mutations lie outside TinyVideoBounds"):
        Scripted(*[None] * 1000).mutate(PARENT, RNG)
    bounds = space(max_size_px=64, max_frames=16).bounds
    with pytest.raises(UserError, match="random networks lie outside TinyVideoBounds"):
        TinyVideoSpace(bounds.model_copy(update={"max_width": 1})).random(RNG)
    with pytest.raises(TypeError, match="R2Plus1D is not a TinyVideoNet"):
        TinyVideoSpace(bounds).mutate(find_architecture("r2plus1d_18"), RNG)


@pytest.mark.parametrize("name", ["tinyvideonet", "evanet", "evanet_inception"])
@pytest.mark.parametrize("modalities", [("rgb", "flow"), ("objects",)])
def test_families_on_one_clip_refuse_others(name: str, modalities: tuple[Any, ...]) -> None:
    build = families()[name].space
    assert build is not None
    with pytest.raises(UserError, match="one kind of clip"):
        build(modalities=modalities)
