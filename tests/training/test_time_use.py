"""Whether a network uses time: what reordering does to clips, and what is said of it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from vidnas.core import ClipSpec
from vidnas.data.cache import ClipCache
from vidnas.families import Architecture, Network
from vidnas.training import TimeUse, evaluate, measure_time_use
from vidnas.training.evaluation import labels_of

SPEC = ClipSpec(frames=3, frame_stride=2, size_px=16)


class Watch(Architecture):
    """The inputs of a network that keeps what it is shown."""

    family: ClassVar[str] = "watch"
    clips: tuple[ClipSpec, ...] = (SPEC,)

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        return self.clips


class WatchNetwork(Network):
    """Predicts by chance and remembers the clips."""

    def __init__(self, architecture: Watch) -> None:
        super().__init__(architecture, 3)
        self.seen: list[tuple[Tensor, ...]] = []

    def forward(self, *clips: Tensor) -> Tensor:
        self.seen.append(clips)
        return torch.zeros(len(clips[0]), 3)


def watched(cache: ClipCache, *clips: ClipSpec, seed: int = 0) -> list[tuple[Tensor, ...]]:
    """Return the clips as they are, shuffled, frozen and reversed."""
    network = WatchNetwork(Watch(clips=clips))
    evaluate(network, cache, "test", clips_per_video=2)
    rng = np.random.default_rng(seed)
    assert measure_time_use(network, cache, "test", clips_per_video=2, rng=rng) is not None
    assert len(network.seen) == 4  # 12 videos, two clips of each, one batch
    return network.seen


def orders(before: Tensor, after: Tensor) -> list[list[int]]:
    """Return for each clip of a batch which frame is shown when; noise tells them apart."""
    return [
        [next(t for t in range(clip.shape[1]) if torch.equal(clip[:, t], frame)) for frame in shown]
        for clip, shown in zip(before, after.transpose(1, 2), strict=True)
    ]


def test_frames_are_shuffled_frozen_and_reversed(cache: ClipCache) -> None:
    (before,), (shuffled,), (frozen,), (backwards,) = watched(cache, SPEC)
    drawn = orders(before, shuffled)
    assert all(sorted(order) == [0, 1, 2] for order in drawn)
    assert len({*map(tuple, drawn)}) > 2  # one permutation for each clip
    assert orders(before, frozen) == [[1, 1, 1]] * 24
    assert orders(before, backwards) == [[2, 1, 0]] * 24


def test_a_seed_gives_one_order(cache: ClipCache) -> None:
    one, same, other = (watched(cache, SPEC, seed=seed)[1][0] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_inputs_are_reordered_alike(cache: ClipCache) -> None:
    shorter = SPEC.model_copy(update={"frames": 2})
    before, shuffled, *_ = watched(cache, SPEC, SPEC, shorter)
    first, second, third = (orders(a, b) for a, b in zip(before, shuffled, strict=True))
    assert first == second
    assert third == [[frame for frame in order if frame < 2] for order in first]


def test_a_network_of_single_frames_is_not_asked(cache: ClipCache) -> None:
    network = WatchNetwork(Watch(clips=(SPEC.model_copy(update={"frames": 1}),)))
    rng = np.random.default_rng(0)
    assert measure_time_use(network, cache, "test", clips_per_video=1, rng=rng) is None
    assert not network.seen


def test_it_is_the_accuracy_of_the_network(cache: ClipCache, fresh) -> None:
    """The probe takes the mean over its frames, so that order does not matter to it."""
    network = fresh()
    top1 = evaluate(network, cache, "test", clips_per_video=3).top1
    rng = np.random.default_rng(0)
    found = measure_time_use(network, cache, "test", clips_per_video=3, rng=rng)
    assert found is not None
    assert (found.shuffled, found.reversed) == (top1, top1)


def test_of_a_large_split_some_videos_are_reordered(
    cache: ClipCache, fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidnas.training.time_use.MOST_REORDERED", 5)
    network, rng = fresh(), np.random.default_rng(0)
    found = measure_time_use(network, cache, "test", clips_per_video=3, rng=rng)
    some = evaluate(network, cache, "test", clips_per_video=3, most=5)
    assert found is not None
    assert some.clips == found.videos == 5
    assert found.shuffled == found.beside(whole=0.123) == some.top1
    assert found.describe(0.123).startswith("top-1 of 5 videos with frames as they are ")
    assert found.warning(0.123) is not None


def test_frames_as_they_are_are_not_asked_about_again(
    cache: ClipCache, fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidnas.training.time_use.MOST_REORDERED", 5)
    network, rng = fresh(), np.random.default_rng(0)
    labels = labels_of(cache, "test")
    for wrong in (0, 1):
        answers = (labels + wrong) % len(cache.classes)
        said = torch.eye(len(cache.classes))[answers][:, None].expand(-1, 3, -1)
        found = measure_time_use(network, cache, "test", clips_per_video=3, rng=rng, said=said)
        assert found is not None
        assert found.as_is == 1 - wrong


@pytest.mark.parametrize(
    ("shuffled", "said"),
    [(0.795, "costs 0.5 points"), (0.85, "costs nothing"), (0.78, None), (0.3, None)],
)
def test_it_warns_where_shuffling_costs_little(shuffled: float, said: str | None) -> None:
    warning = TimeUse(shuffled=shuffled, frozen=0.2, reversed=0.5).warning(0.8)
    assert (warning is None) == (said is None)
    assert said is None or said in str(warning)


def test_it_is_said_in_one_line() -> None:
    said = TimeUse(shuffled=0.3, frozen=0.25, reversed=0.5).describe(0.8)
    assert said == (
        "top-1 with frames as they are 80.0%, reversed 50.0%, shuffled 30.0%, frozen 25.0%"
    )
