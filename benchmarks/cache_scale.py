"""The clip cache at scale: 100,000 videos opened, and peak memory of building large and long ones.

The index of 100,000 videos is written for frames that are not there (sparse files). A video of 4K
and one of two hours are generated and decoded as a worker does it, each in a process of its own.

python -m benchmarks.cache_scale
"""

from __future__ import annotations

import argparse
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from benchmarks.results import options, print_environment
from vidnas.core.quantities import format_bytes
from vidnas.data.cache import ClipCache
from vidnas.data.cache_writer import INDEX, VERSION
from vidnas.data.frame_table import Arrays, table_of, write_index
from vidnas.data.stored_frames import BLOCK_BYTES, Record, append_frames, shard_path

VIDEOS, FRAMES, SHARDS = 100_000, 250, 64
FRAME = (64, 85, 3)
WANTED_S, WANTED_BYTES = 1.0, 1 << 30
LARGE = {"height": 2160, "width": 3840, "seconds": 4, "size_px": 2160}
LONG = {"height": 120, "width": 160, "seconds": 7200, "size_px": 64}
RATE_FPS = 25


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--decode", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size-px", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.decode:
        decode(arguments.decode, arguments.size_px)
        return
    print_environment()
    with tempfile.TemporaryDirectory() as folder:
        open_many(Path(folder) / "many")
        for name, video in (("4K", LARGE), ("two hours", LONG)):
            build(name, Path(folder), **video)


def open_many(folder: Path) -> None:
    """Open the cache of many videos as a worker does, and count what it costs."""
    folder.mkdir()
    size = FRAMES * int(np.prod(FRAME))
    checksums = (0,) * -(-size // BLOCK_BYTES)
    records = [
        Record(n % SHARDS, n // SHARDS * size, (FRAMES, *FRAME), checksums, (0.5,) * 3, (0.3,) * 3)
        for n in range(VIDEOS)
    ]
    for shard in range(SHARDS):
        with shard_path(folder, "rgb", shard).open("wb") as file:
            file.truncate((VIDEOS // SHARDS + 1) * size)
    head = {
        "version": VERSION, "fingerprint": "0" * 16, "size_px": FRAME[0], "rate_fps": None,
        "classes": [f"class {n}" for n in range(400)], "multi_label": False, "skipped": [],
        "numbers": list(range(VIDEOS)), "mean": [0.5] * 3, "std": [0.3] * 3,
        "paths": [f"class {n % 400}/abcdefghijk_{n:06d}_{n + 10:06d}.mp4" for n in range(VIDEOS)],
        "contents": [f"{n:016x}" for n in range(VIDEOS)],
    }  # fmt: skip
    arrays: Arrays = {
        "labels": np.array([(n, n % 400) for n in range(VIDEOS)], np.int64),
        "splits": np.zeros(VIDEOS, np.int8),
    }
    write_index(folder / INDEX, head, arrays | table_of(records))
    pickled = pickle.dumps(ClipCache(folder))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        cache = pickle.loads(pickled)
        times.append(time.perf_counter() - began)
    print(
        f"{VIDEOS:,} videos: index of {format_bytes((folder / INDEX).stat().st_size)}, pickled as "
        f"{len(pickled)} bytes, opened in {np.median(times):.2f} s (wanted: under {WANTED_S:g} s)"
    )
    for video in range(0, VIDEOS, 997):
        cache._table("rgb").view(video)
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    print(f"open files after views of videos in all {SHARDS} files: {open_files}")


def build(name: str, folder: Path, *, height: int, width: int, seconds: int, size_px: int) -> None:
    path = folder / f"{height}.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE_FPS)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        rng = np.random.default_rng(0)
        images = [rng.integers(256, size=(height, width, 3), dtype=np.uint8) // 8 for _ in range(2)]
        frames = [av.VideoFrame.from_ndarray(image, format="rgb24") for image in images]
        for index in range(seconds * RATE_FPS):
            frames[index % 2].pts = index
            container.mux(stream.encode(frames[index % 2]))
        container.mux(stream.encode())
    command = [sys.executable, "-m", "benchmarks.cache_scale", "--decode", str(path)]
    done = subprocess.run(
        [*command, "--size-px", str(size_px)], check=True, capture_output=True, text=True
    )
    peak, size, took = map(float, done.stdout.split())
    print(
        f"{name} at {size_px} px: {format_bytes(size)} of frames in {took:.0f} s, peak memory "
        f"{format_bytes(peak)} (wanted: under {format_bytes(WANTED_BYTES)})"
    )


def decode(path: Path, size_px: int) -> None:
    """Decode a video into a cache as a worker does; print peak memory, size and time."""
    from vidnas.data.reading import stream_video

    began = time.perf_counter()
    with stream_video(path, size_px=size_px) as stream:
        record = append_frames(stream, path.parent, path.stem)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(peak, record.size_bytes, time.perf_counter() - began)
    shard_path(path.parent, path.stem, record.shard).unlink()


if __name__ == "__main__":
    main()
