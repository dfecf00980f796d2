"""Videos in many codecs, containers and states of damage: what becomes of each.

A manifest.csv in the folder, with the columns file and decoded, says how many frames FFmpeg's
own tools decode of each.

python -m benchmarks.odd_clips FOLDER
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from benchmarks.fuzz import peak_bytes
from benchmarks.results import options, print_environment
from vidnas.core import WorkerLost
from vidnas.core.workers import WorkerPool
from vidnas.data.reading import VideoError, damage, stream_video
from vidnas.data.reading.bounds import WORKER_BYTES

SIZE_PX = 112
TIME_MAX_S = 600.0


class Outcome(NamedTuple):
    """What became of a file."""

    frames: int = 0
    rate_fps: float = 0.0
    size: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0
    remark: str = ""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        expected = {row["file"]: row["decoded"] for row in csv.DictReader(file)}
    print_environment()
    heads = ("frames", "listed", "rate", "size", "seconds", "MiB")
    print(f"{'file':<42}{heads[0]:>7}{heads[1]:>7}{heads[2]:>7}{heads[3]:>10}", end="")
    print(f"{heads[4]:>9}{heads[5]:>6}  outcome")
    for name, outcome in outcomes(folder, list(expected)):
        remark = outcome.remark or ("as listed" if _agrees(outcome, expected[name]) else "differs")
        print(
            f"{name:<42}{outcome.frames or '-':>7}{expected[name] or '-':>7}"
            f"{outcome.rate_fps:>7.4g}{outcome.size:>10}{outcome.seconds:>9.2f}"
            f"{outcome.peak_bytes / 2**20:>6.0f}  {remark}"
        )


def _agrees(outcome: Outcome, listed: str) -> bool:
    return str(outcome.frames) == listed


def outcomes(folder: Path, names: list[str]) -> Iterator[tuple[str, Outcome]]:
    """Read the files as the cache does, each in a process of its own."""
    for name in names:
        pool = WorkerPool(1, timeout_s=TIME_MAX_S, memory_bytes=WORKER_BYTES)
        try:
            yield name, _result(pool.submit(read, folder / name))
        finally:
            pool.shutdown()


def read(path: Path) -> Outcome:
    """Read a file; runs in a worker."""
    began, frames, size = time.perf_counter(), 0, ""
    try:
        with stream_video(path, size_px=SIZE_PX) as stream:
            for frame in stream:
                frames, size = frames + 1, f"{frame.shape[1]}x{frame.shape[0]}"
        remark, rate_fps = damage(stream.damaged) if stream.damaged else "", stream.rate_fps
    except VideoError as error:
        frames, rate_fps, remark = 0, 0.0, f"refused: {error.reason}"
    return Outcome(frames, rate_fps, size, time.perf_counter() - began, peak_bytes(), remark)


def _result(call: Future[Outcome]) -> Outcome:
    try:
        return call.result()
    except WorkerLost as error:
        return Outcome(remark=f"LOST: {error}")


if __name__ == "__main__":
    main()
