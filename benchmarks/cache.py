"""Clips per second from the clip cache against decoding them from the videos every time.

All draw random training clips of the same spec from the same videos, in turns, on one thread: the
cache, and every decoder that is installed (pip install torchcodec decord2 opencv-python-headless).

python -m benchmarks.cache [--clips FOLDER_OR_CSV]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.decoders import RATE_FPS, Decode, installed
from benchmarks.results import options, print_environment, print_table
from vidnas.core import ClipSpec
from vidnas.data.augmentation import Augmentation
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import render_clip
from vidnas.data.sampling import train_batches

CLIPS_PER_TURN, CACHED_PER_TURN = 8, 512
TURNS = 5
WANTED = 50.0
WANTED_MS = 1.0
VIDEOS, SECONDS, SOURCE_PX = 12, 10, (240, 320)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--clips", type=Path, help="labelled clips; generated ones by default")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size-px", type=int, default=112)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    spec = ClipSpec(frames=arguments.frames, frame_stride=1, size_px=arguments.size_px)
    print_environment()
    with tempfile.TemporaryDirectory() as folder:
        clips = arguments.clips or write_videos(Path(folder) / "clips")
        dataset = load_dataset(clips)
        cache = build_cache(dataset, size_px=spec.size_px, directory=Path(folder) / "cache")
        videos = [dataset.folder / cache.paths[video] for video in cache.videos("train")]
        lengths = [cache.shape(video)[0] for video in cache.videos("train").tolist()]
        loaders = {"cache": (CACHED_PER_TURN, clips_from_cache(cache, spec))} | {
            name: (CLIPS_PER_TURN, clips_from_videos(decode, videos, lengths, spec))
            for name, decode in installed().items()
        }
        compare(loaders)


def compare(loaders: dict[str, tuple[int, Iterator[int]]]) -> None:
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    cpu_ms: dict[str, list[float]] = {name: [] for name in loaders}
    for _, loader in loaders.values():
        next(loader)  # checksums are compared and libraries loaded the first time
    for _ in range(TURNS):
        for name, (wanted, loader) in loaders.items():
            count, started, cpu = 0, time.perf_counter(), time.process_time()
            while count < wanted:
                count += next(loader)
            rates[name].append(count / (time.perf_counter() - started))
            cpu_ms[name].append(1000 * (time.process_time() - cpu) / count)
    median = {name: float(np.median(own)) for name, own in rates.items()}
    milliseconds = {name: float(np.median(own)) for name, own in cpu_ms.items()}
    rows = [(name, f"{median[name]:,.0f}", f"{milliseconds[name]:.2f}") for name in loaders]
    print_table(("from", "clips/s", "CPU ms per clip"), rows)
    best = max((name for name in loaders if name != "cache"), key=lambda name: median[name])
    ratio = median["cache"] / median[best]
    print(f"cache against {best}: {ratio:.1f} to 1 (wanted: {WANTED:g} to 1 or more)")
    print(f"a clip from the cache: {milliseconds['cache']:.2f} ms (wanted: under {WANTED_MS:g} ms)")


def clips_from_cache(cache: ClipCache, spec: ClipSpec) -> Iterator[int]:
    """Load batches forever; yield the number of clips in each."""
    rng = np.random.default_rng(0)
    while True:
        for (clips,), _ in train_batches(
            cache, [spec], batch_size=16, rng=rng, augmentation=Augmentation()
        ):
            yield len(clips)


def clips_from_videos(
    decode: Decode, videos: list[Path], lengths: list[int], spec: ClipSpec
) -> Iterator[int]:
    """Do what a loader without a cache does: open, seek, decode the span, resize, crop."""
    rng = np.random.default_rng(0)
    while True:
        index = int(rng.integers(len(videos)))
        first = int(rng.integers(lengths[index] - spec.frames))
        frames = decode(videos[index], first, spec.frames, spec.size_px)
        top, left = ((side - spec.size_px) // 2 for side in frames.shape[1:3])
        clip = frames[:, top : top + spec.size_px, left : left + spec.size_px]
        torch.from_numpy(np.ascontiguousarray(clip))
        yield 1


def write_videos(folder: Path) -> Path:
    """Write H.264 of ten seconds, as data sets of actions have it, in two classes."""
    rng = np.random.default_rng(0)
    height, width = SOURCE_PX
    for number in range(VIDEOS):
        motion = ("left", "growing")[number % 2]
        (folder / motion).mkdir(parents=True, exist_ok=True)
        with av.open(str(folder / motion / f"{number}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=RATE_FPS)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            frames = [one[:height, :width] for one in render_clip(motion, rng, width)]
            for index in range(SECONDS * RATE_FPS):
                image = np.ascontiguousarray(frames[index % len(frames)])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    return folder


if __name__ == "__main__":
    main()
