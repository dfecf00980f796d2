"""Mutated videos: each is decoded or refused, without a crash, a hang or much memory.

The clips are mutated in every way that files come to harm, with a preference for their headers.
Exits with 1 if a decoder crashed or hung, something else than a VideoError was raised, or memory
or time passed the bound.

python -m benchmarks.fuzz [--count 2000] [--clips FOLDER]
"""

from __future__ import annotations

import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from benchmarks.results import options, print_environment
from vidnas.core import WorkerLost
from vidnas.core.process import available_cores
from vidnas.core.workers import WorkerPool
from vidnas.data.headers import read_header
from vidnas.data.reading import VideoError, stream_video
from vidnas.data.reading.bounds import WORKER_BYTES

MEMORY_MAX_BYTES = 1 << 30
TIME_MAX_S = 120.0
LARGEST_BYTES = 500_000
# fmt: off
GENERATED = (
    ("mp4", "libx264", "yuv420p"), ("mov", "mpeg4", "yuv420p"), ("mkv", "libx264", "yuv420p"),
    ("webm", "libvpx", "yuv420p"), ("webm", "libvpx-vp9", "yuv420p"), ("avi", "mpeg4", "yuv420p"),
    ("avi", "mjpeg", "yuvj420p"), ("ts", "libx264", "yuv420p"), ("mpg", "mpeg1video", "yuv420p"),
    ("flv", "flv1", "yuv420p"), ("gif", "gif", "rgb8"), ("wmv", "wmv2", "yuv420p"),
    ("h264", "libx264", "yuv420p"), ("mxf", "mpeg2video", "yuv420p"),
)
# fmt: on


class Attempt(NamedTuple):
    """What came of a mutated file."""

    outcome: str
    frames: int
    seconds: float
    peak_bytes: int
    """Of the worker, so far."""

    @property
    def failed(self) -> bool:
        """Whether it broke a promise."""
        within = self.seconds <= TIME_MAX_S and self.peak_bytes <= MEMORY_MAX_BYTES
        return self.outcome not in ("decoded", "refused") or not within


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--clips", type=Path, help="folder of videos; generated ones by default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print_environment()
    with tempfile.TemporaryDirectory() as folder:
        sources = small_videos(arguments.clips) if arguments.clips else generate(Path(folder))
        attempts = fuzz(sources, arguments.count, arguments.seed, Path(folder))
    show(attempts)
    if any(attempt.failed for attempt in attempts.values()):
        sys.exit(1)


def small_videos(folder: Path) -> list[Path]:
    """Return the videos of a folder that are small enough to be read thousands of times."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        path
        for path in found
        if path.suffix not in (".csv", ".txt") and 0 < path.stat().st_size <= LARGEST_BYTES
    ]


def generate(folder: Path) -> list[Path]:
    """Write a small video in each of many containers and codecs."""
    sources = []
    for suffix, codec, pix_fmt in GENERATED:
        path = folder / f"{codec}.{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25, options={"g": "8"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
            for index in range(24):
                image = np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        sources.append(path)
    return sources


def fuzz(sources: Sequence[Path], count: int, seed: int, folder: Path) -> dict[str, Attempt]:
    """Read so many mutated files in worker processes; return what came of each."""
    rng = random.Random(seed)
    pool = WorkerPool(available_cores(), timeout_s=TIME_MAX_S, memory_bytes=WORKER_BYTES)
    attempts: dict[str, Attempt] = {}
    try:
        calls: dict[str, Future[Attempt]] = {}
        for number in range(count):
            source = rng.choice(sources)
            name, mutate = rng.choice(MUTATIONS)
            path = folder / f"{number:05}-{name}-{source.name}"
            path.write_bytes(mutate(bytearray(source.read_bytes()), rng))
            calls[path.name] = pool.submit(read, path, rng.choice((None, 25.0, 60.0)))
        for name, call in calls.items():
            attempts[name] = _result(call)
            (folder / name).unlink()
    finally:
        pool.shutdown()
    return attempts


def read(path: Path, rate_fps: float | None) -> Attempt:
    """Read a file as the cache does; runs in a worker."""
    began, frames = time.perf_counter(), 0
    read_header(path)
    try:
        with stream_video(path, size_px=64, rate_fps=rate_fps) as stream:
            for _ in stream:
                frames += 1
        outcome = "decoded"
    except VideoError:
        outcome = "refused"
    return Attempt(outcome, frames, time.perf_counter() - began, peak_bytes())


def peak_bytes() -> int:
    """Return the peak of this process's memory; `ru_maxrss` counts that of its parent, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return 1024 * int(found[1]) if found else 0


def _result(call: Future[Attempt]) -> Attempt:
    try:
        return call.result()
    except WorkerLost as error:
        return Attempt(f"lost: {error}", 0, 0.0, 0)
    except Exception as error:
        return Attempt(f"raised {type(error).__name__}: {error}"[:80], 0, 0.0, 0)


def _flip_bytes(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 4, 32, 256))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def _flip_header(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 2, 8))):
        data[rng.randrange(min(len(data), 1024))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
    return data


def _large_number(data: bytearray, rng: random.Random) -> bytearray:
    """Write a large integer, where headers have sizes, rates, counts and stamps."""
    size = rng.choice((2, 4, 8))
    near = rng.choice((min(len(data), 2048), len(data)))
    place = rng.randrange(max(1, near - size))
    number = rng.choice((0, 1, (1 << 8 * size - 1) - 1, (1 << 8 * size) - 1, rng.getrandbits(31)))
    number &= (1 << 8 * size) - 1
    data[place : place + size] = number.to_bytes(size, rng.choice(("big", "little")))
    return data


def _cut_off(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def _cut_out(data: bytearray, rng: random.Random) -> bytearray:
    first, last = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:first] + data[last:]


def _blank(data: bytearray, rng: random.Random) -> bytearray:
    first, last = sorted(rng.randrange(len(data)) for _ in range(2))
    data[first:last] = bytes(last - first)
    return data


def _repeat(data: bytearray, rng: random.Random) -> bytearray:
    first, last = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:last] + data[first:last] * rng.choice((1, 2, 8)) + data[last:]


def _swap(data: bytearray, rng: random.Random) -> bytearray:
    a, b, c = sorted(rng.randrange(len(data)) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


MUTATIONS: tuple[tuple[str, Callable[[bytearray, random.Random], bytearray]], ...] = (
    ("bytes", _flip_bytes),
    ("header", _flip_header),
    ("number", _large_number),
    ("number", _large_number),
    ("cut off", _cut_off),
    ("cut out", _cut_out),
    ("blank", _blank),
    ("repeat", _repeat),
    ("swap", _swap),
)


def show(attempts: dict[str, Attempt]) -> None:
    """Print a table of outcomes by mutation, and what failed."""
    print(f"{'mutation':<10}{'files':>7}{'decoded':>9}{'refused':>9}{'failed':>8}{'longest':>10}")
    for mutation, own in _by_mutation(attempts):
        outcomes = Counter(attempt.outcome for attempt in own)
        failed = sum(attempt.failed for attempt in own)
        longest_s = max(attempt.seconds for attempt in own)
        print(
            f"{mutation:<10}{len(own):>7}{outcomes['decoded']:>9}{outcomes['refused']:>9}"
            f"{failed:>8}{longest_s:>8.1f} s"
        )
    peak = max(attempt.peak_bytes for attempt in attempts.values())
    print(f"peak memory of a worker: {peak / 2**20:.0f} MiB")
    for name, attempt in attempts.items():
        if attempt.failed:
            print(f"FAILED {name}: {attempt}")


def _by_mutation(attempts: dict[str, Attempt]) -> Iterator[tuple[str, list[Attempt]]]:
    for mutation in dict(MUTATIONS):
        own = [attempt for name, attempt in attempts.items() if name.split("-")[1] == mutation]
        if own:
            yield mutation, own
    yield "all", list(attempts.values())


if __name__ == "__main__":
    main()
