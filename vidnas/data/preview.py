"""A few labelled clips as networks see them, for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, zip_longest

import numpy as np

from vidnas.core import ClipSpec, UserError
from vidnas.data.augmentation import Augmentation, vary
from vidnas.data.datasets import Dataset, Video
from vidnas.data.reading import Frames, VideoError
from vidnas.data.sampling import clips_of, random_clip
from vidnas.data.video_workers import in_workers

_FRAMES_MAX = 4096
"""How many frames of a video are held, which the memory of a worker bounds."""


@dataclass(frozen=True)
class Preview:
    """One clip of a video."""

    video: Video
    frames: Frames
    """`(T, H, W, 3)`."""


def preview_clips(
    dataset: Dataset,
    spec: ClipSpec,
    *,
    count: int,
    augmentation: Augmentation,
    rng: np.random.Generator,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Preview], list[VideoError]]:
    """Cut one clip out of each of some videos, of all classes alike; training clips vary.

    Args:
        dataset: labelled videos.
        spec: which clips; RGB, spread evenly over the video.
        count: how many videos, if there are as many.
        augmentation: how much the clips of the training split change, as in training.
        rng: chooses the videos and varies the clips.
        on_progress: called with the numbers of videos finished and in all.

    Returns:
        The clips by class, and why other videos that were chosen have none.

    Raises:
        UserError: none of the videos that were chosen can be decoded.
    """
    videos = _choose(dataset, count, rng)
    seeds = rng.integers(2**63, size=len(videos)).tolist()
    work = partial(_cut, spec=spec, augmentation=augmentation)
    previews: dict[int, Preview] = {}
    problems: list[VideoError] = []
    for index, outcome in in_workers(work, videos, seeds, on_progress=on_progress):
        if isinstance(outcome, VideoError):
            problems.append(outcome)
        else:
            previews[index] = Preview(videos[index], outcome)
    if not previews:
        raise UserError(
            f"{dataset.source}: none of {len(videos)} videos can be decoded, the first is "
            f"{problems[0]}"
        )
    return [previews[index] for index in sorted(previews)], problems


def _choose(dataset: Dataset, count: int, rng: np.random.Generator) -> Sequence[Video]:
    """Draw videos in turns, one of each class, and put them in the order of their labels."""
    by_class: dict[tuple[int, ...], list[Video]] = {}
    for index in rng.permutation(len(dataset.videos)).tolist():
        video = dataset.videos[index]
        by_class.setdefault(video.labels, []).append(video)
    turns = chain.from_iterable(zip_longest(*by_class.values()))
    chosen = islice((video for video in turns if video is not None), count)
    return sorted(chosen, key=lambda video: (video.labels, str(video.path)))


def _frames(video: Video, size_px: int) -> Frames:
    """Return the frames of a video, fewer per second where it is long: few of them are shown."""
    with video.stream(size_px) as stream:
        end_s = min(video.end_s or stream.duration_s, stream.duration_s)
        count = (end_s - (video.start_s or 0.0)) * stream.rate_fps
        if count <= _FRAMES_MAX:
            return stream.read()
    return video.decode(size_px, stream.rate_fps * _FRAMES_MAX / count)


def _cut(video: Video, seed: int, spec: ClipSpec, augmentation: Augmentation) -> Frames:
    """Return a clip of a video; runs in a worker."""
    frames, rng = _frames(video, spec.size_px), np.random.default_rng(seed)
    if video.split != "train":
        (clip,) = clips_of(frames, [spec])
    else:
        clip = random_clip(frames, spec, rng, augmentation)
        (varied,) = vary([clip.float() / 255], [spec.modality], rng, augmentation)
        clip = (varied * 255).round().byte()
    found: Frames = clip[0].permute(1, 2, 3, 0).contiguous().numpy()
    return found
