"""Clips from decoded videos: which frames, which part of them, at which size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vidnas.core import ClipSpec
from vidnas.core.clip import Squares
from vidnas.data.augmentation import Augmentation
from vidnas.data.cache import ClipCache
from vidnas.data.reading import Frames, reject_objects
from vidnas.data.splits import Split

Clips = tuple[Tensor, ...]
"""One tensor per input of the network: `(N, C, T, H, W)`, uint8."""


@dataclass(frozen=True)
class View:
    """A moment and a square, the same for every input of the network."""

    moment: float
    """0 is the earliest start of the clip within the video, or within each of the parts that its
    frames are spread over; 1 is the latest."""
    top: int
    left: int
    side: int
    flip: bool = False


Cut = Callable[[ClipCache, Sequence[ClipSpec], NDArray[np.int64], Sequence[View]], list[Tensor]]
"""Cuts one view out of each of some videos: `(N, T, H, W, C)`, uint8, one tensor per spec."""


def cut_from_file(
    cache: ClipCache,
    specs: Sequence[ClipSpec],
    videos: NDArray[np.int64],
    views: Sequence[View],
) -> list[Tensor]:
    """Cut clips on the CPU, out of the cache's memory-mapped file."""
    clips = _batch(len(videos), specs)
    for row, (video, view) in enumerate(zip(videos, views, strict=True)):
        sources = [_used(cache, int(video), spec, view) for spec in specs]
        _fill(clips, row, sources, specs, view)
    return clips


def _used(cache: ClipCache, video: int, spec: ClipSpec, view: View) -> Frames:
    """Return the frames of a video, of which those that the clip needs are checked."""
    length = cache.shape(video, spec.modality)[0]
    return cache.frames(video, spec.modality, frame_numbers(view.moment, spec, length))


def train_batches(
    cache: ClipCache,
    specs: Sequence[ClipSpec],
    *,
    batch_size: int,
    rng: np.random.Generator,
    augmentation: Augmentation,
    cut: Cut = cut_from_file,
    order: NDArray[np.int64] | None = None,
) -> Iterator[tuple[Clips, Tensor]]:
    """Yield one epoch over the training split, in random order, each clip at a random moment.

    Args:
        cache: clips to train on.
        specs: which clips.
        batch_size: N.
        rng: draws the order, the moments and the augmentation.
        augmentation: what changes in a clip.
        cut: turns the chosen views into clips.
        order: the videos of what is left of an epoch; if unset, a whole one is drawn.

    Yields:
        Clips `(N, C, T, H, W)`, uint8, one tensor per spec, and labels `(N,)`, or `(N,
        num_classes)` where a video may show several. The last batch may be smaller.
    """
    videos = rng.permutation(cache.videos("train")) if order is None else order
    for first in range(0, len(videos), batch_size):
        batch = videos[first : first + batch_size]
        shapes = (cache.shape(video, specs[0].modality) for video in batch)
        views = [_random_view(one, rng, augmentation) for one in shapes]
        clips = cut(cache, specs, batch, views)
        yield _channels_first(clips), torch.from_numpy(cache.targets[batch])


def spread(videos: NDArray[np.int64], most: int | None) -> NDArray[np.int64]:
    """Return no more videos than so many, evenly spread; None for all."""
    if most is None or len(videos) <= most:
        return videos
    chosen: NDArray[np.int64] = videos[np.linspace(0, len(videos) - 1, most).round().astype(int)]
    return chosen


def test_batches(
    cache: ClipCache,
    split: Split,
    specs: Sequence[ClipSpec],
    *,
    batch_size: int,
    clips_per_video: int = 1,
    squares: Squares = 1,
    most: int | None = None,
    first: int = 0,
    cut: Cut = cut_from_file,
) -> Iterator[tuple[Clips, Tensor, NDArray[np.int64]]]:
    """Yield evenly spaced clips of the videos of a split, always the same.

    Args:
        cache: clips to test on.
        split: which videos.
        specs: which clips.
        batch_size: N.
        clips_per_video: at how many moments.
        squares: how many of each moment.
        most: how many videos, evenly spread over the split; None for all.
        first: the clip to begin with.
        cut: turns the views into clips.

    Yields:
        Clips `(N, C, T, H, W)`, uint8, one tensor per spec; labels `(N,)`, or `(N,
        num_classes)` where a video may show several; and the index of each clip's video, `(N,)`.
    """
    count = clips_per_video * squares
    videos = np.repeat(spread(cache.videos(split), most), count)
    for start in range(first, len(videos), batch_size):
        batch = videos[start : start + batch_size]
        shapes = (cache.shape(video, specs[0].modality) for video in batch)
        views = [
            _even_views(one, clips_per_video, squares)[(start + row) % count]
            for row, one in enumerate(shapes)
        ]
        clips = cut(cache, specs, batch, views)
        yield _channels_first(clips), torch.from_numpy(cache.targets[batch]), batch


def clips_of(
    frames: Frames,
    specs: Sequence[ClipSpec],
    clips_per_video: int = 1,
    *,
    squares: Squares = 1,
    flow: Frames | None = None,
) -> Clips:
    """Return evenly spaced clips of one video: `(K, C, T, H, W)`, uint8, one tensor per spec.

    Args:
        frames: RGB `(T, H, W, 3)`.
        specs: which clips.
        clips_per_video: at how many moments.
        squares: how many of each moment; K is their product.
        flow: `(T, H, W, 2)`, if a spec asks for it.

    Raises:
        UserError: a spec asks for object maps.
    """
    reject_objects(spec.modality for spec in specs)
    sources = [flow if spec.modality == "flow" and flow is not None else frames for spec in specs]
    views = _even_views(frames.shape, clips_per_video, squares)
    clips = _batch(len(views), specs)
    for row, view in enumerate(views):
        _fill(clips, row, sources, specs, view)
    return _channels_first(clips)


def random_clip(
    frames: Frames, spec: ClipSpec, rng: np.random.Generator, augmentation: Augmentation
) -> Tensor:
    """Return one clip of a video as training cuts it: `(1, C, T, H, W)`, uint8."""
    clips = _batch(1, [spec])
    _fill(clips, 0, [frames], [spec], _random_view(frames.shape, rng, augmentation))
    return _channels_first(clips)[0]


def _even_moments(count: int) -> list[float]:
    return [0.5] if count == 1 else np.linspace(0, 1, count).tolist()


def _batch(count: int, specs: Sequence[ClipSpec]) -> list[Tensor]:
    # Channels last in memory: the network folds time into the batch and takes this without a copy.
    return [
        torch.empty((count, s.frames, s.size_px, s.size_px, s.channels), dtype=torch.uint8)
        for s in specs
    ]


def _channels_first(clips: list[Tensor]) -> Clips:
    return tuple(clip.permute(0, 4, 1, 2, 3) for clip in clips)


def _even_views(shape: Sequence[int], clips_per_video: int, squares: Squares) -> list[View]:
    """Return the views of a video, moment by moment."""
    height, width = shape[1:3]
    side = min(height, width)
    places = (0.5,) if squares == 1 else (0.0, 0.5, 1.0)
    return [
        View(moment, int(place * (height - side)), int(place * (width - side)), side)
        for moment in _even_moments(clips_per_video)
        for place in places
    ]


def _centre_view(shape: Sequence[int], moment: float) -> View:
    height, width = shape[1:3]
    side = min(height, width)
    return View(moment, (height - side) // 2, (width - side) // 2, side)


def _random_view(
    shape: Sequence[int], rng: np.random.Generator, augmentation: Augmentation
) -> View:
    moment = rng.random()
    flip = augmentation.flip and rng.random() < 0.5
    if augmentation.crop_scale_min == 1:
        centre = _centre_view(shape, moment)
        return View(moment, centre.top, centre.left, centre.side, flip)
    height, width = shape[1:3]
    scale = rng.uniform(augmentation.crop_scale_min, 1)
    side = max(1, round(min(height, width) * scale**0.5))
    top = int(rng.integers(height - side + 1))
    left = int(rng.integers(width - side + 1))
    return View(moment, top, left, side, flip)


def frame_numbers(moment: float, spec: ClipSpec, count: int) -> NDArray[np.int64]:
    """Return which of `count` frames make up the clip that starts at this moment, `(T,)`."""
    if spec.sampling == "uniform":
        # One frame of each of so many equal parts of the video, at the same place in each.
        part = count / spec.frames
        places = part * np.arange(spec.frames) + moment * max(0.0, part - 1)
        return np.minimum(places.astype(np.int64), count - 1)
    start = round(moment * max(0, count - spec.span_frames))
    # Past the end the last frame is repeated.
    return np.minimum(start + spec.frame_stride * np.arange(spec.frames), count - 1)


def _fill(
    clips: list[Tensor],
    row: int,
    frames: Sequence[Frames],
    specs: Sequence[ClipSpec],
    view: View,
) -> None:
    """Write the view into row `row` of each input's batch, `(N, T, H, W, C)`.

    `frames` holds the video in the modality of each input.
    """
    rows, columns = slice(view.top, view.top + view.side), slice(view.left, view.left + view.side)
    for batch, spec, source in zip(clips, specs, frames, strict=True):
        times = frame_numbers(view.moment, spec, len(source))
        clip, square = batch[row], source[:, rows, columns]
        if view.side == spec.size_px:
            pixels = clip.numpy()
            for place, time in enumerate(times):  # one copy; indexing by all of them makes two
                pixels[place] = square[time]
        else:
            # uint8 and channels last is the fast path of torch's antialiased resize.
            resized = F.interpolate(
                torch.from_numpy(square[times]).permute(0, 3, 1, 2),
                size=(spec.size_px, spec.size_px),
                mode="bilinear",
                antialias=True,
            )
            clip.copy_(resized.permute(0, 2, 3, 1))
        if view.flip:
            clip.copy_(clip.flip(2))
            if spec.modality == "flow":
                clip[..., 0].neg_()  # modulo 256: what went right goes left, 128 stays
