"""Clips per second from the clip cache against decoding them from the videos every time.

Both draw random training clips of the same spec, in turns, on one thread.

python -m benchmarks.cache [--clips FOLDER_OR_CSV]
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.clips import temporary_cache
from benchmarks.results import options, print_environment
from vidnas.core import ClipSpec
from vidnas.data.augmentation import Augmentation
from vidnas.data.cache import ClipCache
from vidnas.data.datasets import Dataset, Video
from vidnas.data.reading import read_video
from vidnas.data.sampling import clips_of, train_batches

CLIPS_PER_TURN = 64
TURNS = 8
WANTED = 20.0


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--clips", type=Path, help="labelled clips; generated ones by default")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--size-px", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    spec = ClipSpec(
        frames=arguments.frames, frame_stride=arguments.stride, size_px=arguments.size_px
    )
    print_environment()
    with temporary_cache(arguments.clips, size_px=spec.size_px) as (dataset, cache):
        compare(
            {
                "from the cache": clips_from_cache(cache, spec),
                "decoding every time": clips_from_videos(dataset, spec),
            }
        )


def compare(loaders: dict[str, Iterator[int]]) -> None:
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(TURNS):
        for name, loader in loaders.items():
            count, started = 0, time.perf_counter()
            while count < CLIPS_PER_TURN:
                count += next(loader)
            rates[name].append(count / (time.perf_counter() - started))
    cached, decoded = (float(np.median(own)) for own in rates.values())
    for name, rate in zip(rates, (cached, decoded), strict=True):
        print(f"{name}: {rate:.0f} clips/s")
    print(f"ratio: {cached / decoded:.1f} to 1 (wanted: {WANTED:g} to 1 or more)")


def clips_from_cache(cache: ClipCache, spec: ClipSpec) -> Iterator[int]:
    """Load batches forever; yield the number of clips in each."""
    rng = np.random.default_rng(0)
    while True:
        for (clips,), _ in train_batches(
            cache, [spec], batch_size=16, rng=rng, augmentation=Augmentation()
        ):
            yield len(clips)


def clips_from_videos(dataset: Dataset, spec: ClipSpec) -> Iterator[int]:
    """Do what a loader without a cache does: open, seek, decode the span, resize, crop."""
    rng = np.random.default_rng(0)
    videos = [video for video in dataset.videos if video.split == "train"]
    spans = [_span(video, spec) for video in videos]  # known beforehand, so that it is not timed
    while True:
        index = int(rng.integers(len(videos)))
        earliest_s, latest_s, length_s = spans[index]
        start_s = rng.uniform(earliest_s, latest_s)
        frames, _ = read_video(
            videos[index].path, size_px=spec.size_px, start_s=start_s, end_s=start_s + length_s
        )
        (clips,) = clips_of(frames, [spec])
        yield len(clips)


def _span(video: Video, spec: ClipSpec) -> tuple[float, float, float]:
    """Return earliest and latest start of a clip in the video, and its length, in seconds."""
    with av.open(str(video.path)) as container:
        rate = float(container.streams.video[0].average_rate)
        duration_s = container.duration / av.time_base
    earliest_s, end_s = video.start_s or 0.0, min(video.end_s or duration_s, duration_s)
    length_s = min(((spec.frames - 1) * spec.frame_stride + 1) / rate, end_s - earliest_s)
    return earliest_s, end_s - length_s, length_s


if __name__ == "__main__":
    main()
