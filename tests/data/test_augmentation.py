"""What training changes in clips: each change by itself, the same in all inputs of a clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vidnas.core import Modality
from vidnas.data.augmentation import Augmentation, mix, vary

ALL = Augmentation(affine=0.2, colour=0.3, time_mask=0.5)


def clips(count: int = 4, channels: int = 3, times: int = 8, size_px: int = 12) -> torch.Tensor:
    return torch.rand(count, channels, times, size_px, size_px, generator=seeded())


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def varied(
    changes: Augmentation,
    *inputs: torch.Tensor,
    modalities: tuple[Modality, ...] = (),
    seed: int = 0,
) -> tuple[torch.Tensor, ...]:
    of = modalities or ("rgb",) * len(inputs)
    return vary(inputs, of, np.random.default_rng(seed), changes)


def test_nothing_changes_unless_asked() -> None:
    clip, rng = clips(), np.random.default_rng(0)
    before = rng.bit_generator.state
    (same,) = vary([clip], ["rgb"], rng, Augmentation(crop_scale_min=0.5, flip=True))
    assert torch.equal(same, clip)
    assert rng.bit_generator.state == before


@pytest.mark.parametrize(
    "changes", [Augmentation(affine=0.2), Augmentation(colour=0.3), Augmentation(time_mask=0.6)]
)
def test_clips_are_changed_each_in_its_own_way_and_not_in_place(changes: Augmentation) -> None:
    one = clips(1)
    same = one.expand(6, -1, -1, -1, -1)
    (found,) = varied(changes, same)
    assert found.shape == same.shape
    assert found.min() >= 0 and found.max() <= 1
    assert torch.equal(one, clips(1))
    assert len({row.sum().item() for row in found}) >= 4


def test_the_same_generator_gives_the_same_clips() -> None:
    clip = clips()
    first, again, other = (varied(ALL, clip, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_inputs_of_a_clip_change_alike() -> None:
    clip = clips()
    first, second = varied(ALL, clip, clip)
    assert torch.equal(first, second)
    # Also those of another length, size and kind: the same frames are gone, and the same way.
    changes = Augmentation(affine=0.2, time_mask=0.5)
    flow = clip[:, :2]
    frames, motion = varied(changes, clip, flow, modalities=("rgb", "flow"))
    assert torch.equal(frames[:, :2], motion)


def test_only_rgb_has_colours() -> None:
    rgb, flow, objects = clips(), clips(channels=2), clips(channels=151)
    changes = Augmentation(colour=0.3)
    found = varied(changes, flow, rgb, objects, modalities=("flow", "rgb", "objects"))
    assert torch.equal(found[0], flow)
    assert torch.equal(found[2], objects)
    assert not torch.equal(found[1], rgb)


def test_brightness_and_contrast_keep_their_bounds() -> None:
    grey = torch.full((200, 3, 1, 1, 1), 0.5)
    (found,) = varied(Augmentation(colour=0.2), grey)
    levels = found[:, 0].flatten()
    assert torch.equal(found, found[:, :1].expand_as(found))  # all channels alike
    assert 0.2 <= levels.min() < 0.3 and 0.7 < levels.max() <= 0.8  # 0.5 (1 +- 0.2) +- 0.2
    (white,) = varied(Augmentation(colour=0.2), torch.ones(200, 3, 1, 1, 1))
    assert white.max() == 1


def test_an_affine_map_that_changes_nothing_is_the_identity() -> None:
    clip = clips()
    (found,) = varied(Augmentation(affine=1e-7), clip)
    assert torch.allclose(found, clip, atol=1e-4)


def test_an_affine_map_is_the_same_in_all_frames() -> None:
    still = clips(times=1).expand(-1, -1, 5, -1, -1)
    (found,) = varied(Augmentation(affine=0.3), still)
    assert not torch.allclose(found, still, atol=0.01)
    assert torch.allclose(found, found[:, :, :1].expand_as(found))


def test_an_affine_map_shifts_by_no_more_than_a_share_of_the_side() -> None:
    """A bright column in the middle: half of the side is one unit of the map."""
    clip = torch.zeros(100, 1, 1, 64, 64)
    clip[..., 31:33] = 1
    (found,) = varied(Augmentation(affine=0.1), clip)
    centre = found[:, 0, 0, 32].argmax(dim=1).float()
    assert 1 < (centre - 31.5).abs().max() <= 0.1 * 32 + 3  # and by scale and shear
    assert len(centre.unique()) > 3


def test_a_gap_of_frames_becomes_their_mean() -> None:
    clip = clips(count=60)
    (found,) = varied(Augmentation(time_mask=0.5), clip)
    lengths, starts = set(), set()
    for before, after in zip(clip, found, strict=True):
        changed = [t for t in range(8) if not torch.equal(before[:, t], after[:, t])]
        assert changed == list(range(min(changed, default=0), max(changed, default=-1) + 1))
        for time in changed:
            assert torch.allclose(after[:, time], before.mean(dim=1), atol=1e-6)
        lengths.add(len(changed))
        starts |= {changed[0]} if changed else set()
    assert lengths == {0, 1, 2, 3, 4}
    assert starts == {0, 1, 2, 3, 4, 5, 6, 7}


def test_a_gap_is_the_same_share_of_clips_of_every_length() -> None:
    def gone(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        changed = (before != after).any(dim=4).any(dim=3).any(dim=1)  # (N, T)
        return changed.float().mean(dim=1)

    inputs = clips(times=20), clips(times=4)
    long, short = map(gone, inputs, varied(Augmentation(time_mask=0.9), *inputs))
    assert len(long.unique()) > 2
    assert torch.allclose(long, short, atol=0.5 / 20 + 0.5 / 4)


def test_mixup_mixes_targets_as_it_mixes_clips() -> None:
    count, classes = 6, 3
    clip = torch.arange(count).float().view(-1, 1, 1, 1, 1).expand(-1, 3, 2, 4, 4) / count
    targets = torch.eye(classes)[torch.arange(count) % classes]
    shares = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        (first, second), mixed = mix((clip, clip[:, :2]), targets, rng, alpha=0.4)
        assert torch.allclose(mixed.sum(dim=1), torch.ones(count))
        assert mixed.min() >= 0
        assert torch.equal(first[:, :2], second)
        rng = np.random.default_rng(seed)
        share, others = rng.beta(0.4, 0.4), torch.from_numpy(rng.permutation(count))
        expected = share * clip + (1 - share) * clip[others]
        assert torch.allclose(first, expected, atol=1e-6)
        assert torch.allclose(mixed, share * targets + (1 - share) * targets[others], atol=1e-6)
        shares.add(round(share, 3))
    assert len(shares) > 20
