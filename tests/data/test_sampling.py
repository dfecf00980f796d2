from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vidnas.core import ClipSpec
from vidnas.core.clip import Squares
from vidnas.data import sampling
from vidnas.data.augmentation import Augmentation
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.sampling import clips_of, train_batches

SPEC = ClipSpec(frames=8, frame_stride=2, size_px=24)


@pytest.fixture(scope="module")
def cache(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    directory = tmp_path_factory.mktemp("cache")
    return build_cache(load_dataset(demo_folder), size_px=32, directory=directory)


def _numbered(count: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Frame i has the level i."""
    frames = np.empty((count, height, width, 3), dtype=np.uint8)
    frames[:] = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return frames


def _times(clip: torch.Tensor) -> list[int]:
    """`(C, T, H, W)` of numbered frames: which were taken."""
    return clip[0, :, 0, 0].tolist()


def test_frames_of_a_clip() -> None:
    (clips,) = clips_of(_numbered(21), [ClipSpec(frames=3, frame_stride=5, size_px=16)], 3)
    assert clips.shape == (3, 3, 3, 16, 16)
    assert clips.dtype == torch.uint8
    assert [_times(clip) for clip in clips] == [[0, 5, 10], [5, 10, 15], [10, 15, 20]]
    (middle,) = clips_of(_numbered(21), [ClipSpec(frames=3, frame_stride=5, size_px=16)])
    assert _times(middle[0]) == [5, 10, 15]


def test_past_the_end_the_last_frame_is_repeated() -> None:
    (clips,) = clips_of(_numbered(4), [ClipSpec(frames=4, frame_stride=2, size_px=32)])
    assert _times(clips[0]) == [0, 2, 3, 3]


def test_uniform_frames_are_spread_over_the_whole_video() -> None:
    spec = ClipSpec(frames=3, frame_stride=1, size_px=16, sampling="uniform")
    (clips,) = clips_of(_numbered(21), [spec], 3)
    assert [_times(clip) for clip in clips] == [[0, 7, 14], [3, 10, 17], [6, 13, 20]]
    (middle,) = clips_of(_numbered(21), [spec])
    assert _times(middle[0]) == [3, 10, 17]
    (short,) = clips_of(_numbered(2), [spec])
    assert _times(short[0]) == [0, 0, 1]


def test_the_centre_is_taken_and_resized() -> None:
    frames = np.zeros((2, 20, 40, 3), dtype=np.uint8)
    frames[:, :, 10:30] = 200
    (clips,) = clips_of(frames, [ClipSpec(frames=2, frame_stride=1, size_px=10)])
    assert torch.all(clips == 200)
    (same,) = clips_of(frames, [ClipSpec(frames=2, frame_stride=1, size_px=20)])
    np.testing.assert_array_equal(same[0].permute(1, 2, 3, 0).numpy(), frames[:, :, 10:30])


def test_three_squares_reach_from_end_to_end() -> None:
    frames = np.zeros((6, 21, 40, 3), dtype=np.uint8)
    frames[:, :, :5], frames[:, :, 38:] = 100, 200
    spec = ClipSpec(frames=1, frame_stride=1, size_px=21)
    for wide in (True, False):
        turned = frames if wide else frames.transpose(0, 2, 1, 3)
        (clips,) = clips_of(turned, [spec], 2, squares=3)
        assert len(clips) == 6  # moment by moment
        levels = [sorted(set(clip.unique().tolist())) for clip in clips]
        assert levels == [[0, 100], [0], [0, 200]] * 2
        (centre,) = clips_of(turned, [spec], 2)
        assert torch.equal(clips[1::3], centre)


def test_resizing_averages_what_it_shrinks() -> None:
    frames = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    frames[:, :, ::2] = 200
    (clips,) = clips_of(frames, [ClipSpec(frames=1, frame_stride=1, size_px=8)])
    assert (clips.float() - 100).abs().max() < 15  # a plain bilinear resize gives 0 or 200


def test_an_epoch_visits_every_training_video_once(cache: ClipCache) -> None:
    rng = np.random.default_rng(0)
    augmentation = Augmentation(crop_scale_min=0.5, flip=True)
    seen: list[int] = []
    for (clips,), labels in train_batches(
        cache, [SPEC], batch_size=5, rng=rng, augmentation=augmentation
    ):
        assert clips.shape == (len(labels), *SPEC.shape()[1:])
        assert clips.dtype == torch.uint8
        assert labels.dtype == torch.int64
        seen += labels.tolist()
    expected = cache.targets[cache.videos("train")]
    assert sorted(seen) == sorted(expected.tolist())
    assert seen != expected.tolist()


def test_the_same_generator_gives_the_same_batches(cache: ClipCache) -> None:
    def epoch(seed: int) -> torch.Tensor:
        batches = train_batches(
            cache,
            [SPEC],
            batch_size=50,
            rng=np.random.default_rng(seed),
            augmentation=Augmentation(crop_scale_min=0.5, flip=True),
        )
        return next(batches)[0][0]

    assert torch.equal(epoch(1), epoch(1))
    assert not torch.equal(epoch(1), epoch(2))


def test_inputs_share_the_moment_the_crop_and_the_mirror(cache: ClipCache) -> None:
    augmentation = Augmentation(crop_scale_min=0.5, flip=True)
    rng = np.random.default_rng(0)
    for (first, second), _ in train_batches(
        cache, [SPEC, SPEC], batch_size=4, rng=rng, augmentation=augmentation
    ):
        assert torch.equal(first, second)


def test_clips_are_mirrored_only_when_asked() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (1, 16, 16, 3), dtype=np.uint8)
    spec = ClipSpec(frames=1, frame_stride=1, size_px=16)
    (plain,) = clips_of(frames, [spec])

    def drawn(flip: bool) -> set[str]:
        rng = np.random.default_rng(0)
        seen = set()
        for _ in range(30):
            view = sampling._random_view(frames.shape, rng, Augmentation(flip=flip))
            batch = sampling._batch(1, [spec])
            sampling._fill(batch, 0, [frames], [spec], view)
            (clip,) = sampling._channels_first(batch)
            mirrored = torch.equal(clip, plain.flip(-1))
            assert mirrored or torch.equal(clip, plain)
            seen.add("mirrored" if mirrored else "plain")
        return seen

    assert drawn(flip=False) == {"plain"}
    assert drawn(flip=True) == {"plain", "mirrored"}


def test_training_clips_start_at_every_moment() -> None:
    frames = _numbered(12)
    spec = ClipSpec(frames=2, frame_stride=2, size_px=32)
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(200):
        batch = sampling._batch(1, [spec])
        view = sampling._random_view(frames.shape, rng, Augmentation())
        sampling._fill(batch, 0, [frames], [spec], view)
        starts.add(int(batch[0][0, 0, 0, 0, 0]))
    assert starts == set(range(10))


@pytest.mark.parametrize("squares", [1, 3])
def test_testing_takes_even_clips_of_every_video(cache: ClipCache, squares: Squares) -> None:
    many = {"clips_per_video": 3 // squares, "squares": squares}
    batches = list(sampling.test_batches(cache, "val", [SPEC], batch_size=2, **many))
    videos = np.concatenate([videos for _, _, videos in batches])
    assert videos.tolist() == np.repeat(cache.videos("val"), 3).tolist()
    labels = torch.cat([labels for _, labels, _ in batches])
    assert labels.tolist() == cache.targets[videos].tolist()
    clips = torch.cat([clips for (clips,), _, _ in batches])
    for row, video in enumerate(cache.videos("val")):
        (expected,) = clips_of(cache.frames(video), [SPEC], 3 // squares, squares=squares)
        assert torch.equal(clips[3 * row : 3 * row + 3], expected)


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [(9, 3, [0, 4, 8]), (9, 1, [0]), (3, 3, [0, 1, 2]), (3, 5, [0, 1, 2]), (3, None, [0, 1, 2])],
)
def test_some_videos_are_evenly_spread(count: int, most: int | None, chosen: list[int]) -> None:
    assert sampling.spread(10 * np.arange(count), most).tolist() == [10 * one for one in chosen]


def test_testing_takes_some_videos_where_it_is_told_to(cache: ClipCache) -> None:
    batches = list(sampling.test_batches(cache, "val", [SPEC], batch_size=2, most=2))
    videos = np.concatenate([videos for _, _, videos in batches])
    assert videos.tolist() == cache.videos("val")[[0, -1]].tolist()


def test_folding_time_into_the_batch_copies_nothing(cache: ClipCache) -> None:
    (clips,) = clips_of(cache.frames(0), [SPEC], 2)
    n, c, t, h, w = clips.shape
    folded = clips.permute(0, 2, 1, 3, 4).reshape(n * t, c, h, w)
    assert folded.data_ptr() == clips.data_ptr()
    assert folded.is_contiguous(memory_format=torch.channels_last)
