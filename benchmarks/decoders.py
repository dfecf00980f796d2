"""Clips from video files with the decoders that people use, one thread each.

Each function returns frames `(T, H, W, 3)` of a video from a frame number on, the short side
resized. Decoders that are not installed are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vidnas.data.reading import Frames, read_video

Decode = Callable[[Path, int, int, int], Frames]
"""A clip by path, first frame, number of frames and short side in pixels."""
RATE_FPS = 25


def installed() -> dict[str, Decode]:
    """Return the decoders that are there, by name."""
    optional: dict[str, tuple[str, Decode]] = {
        "torchcodec": ("torchcodec", with_torchcodec),
        "OpenCV": ("cv2", with_opencv),
        "decord2": ("decord", with_decord),
    }
    found: dict[str, Decode] = {"vidnas (read_video)": with_vidnas, "PyAV": with_pyav}
    return found | {name: one for name, (module, one) in optional.items() if find_spec(module)}


def with_vidnas(path: Path, first: int, count: int, size_px: int) -> Frames:
    start_s = first / RATE_FPS
    frames, _ = read_video(path, size_px=size_px, start_s=start_s, end_s=start_s + count / RATE_FPS)
    return frames


def with_pyav(path: Path, first: int, count: int, size_px: int) -> Frames:
    import av

    found = []
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        stream.thread_type = "NONE"
        start = int(first / RATE_FPS / stream.time_base)
        container.seek(start, stream=stream)
        scale = size_px / min(stream.width, stream.height)
        width, height = round(stream.width * scale), round(stream.height * scale)
        for frame in container.decode(stream):
            if frame.pts >= start:
                found.append(frame.to_ndarray(format="rgb24", width=width, height=height))
            if len(found) == count:
                break
    return np.stack(found)


def with_torchcodec(path: Path, first: int, count: int, size_px: int) -> Frames:
    import torch
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, num_ffmpeg_threads=1, seek_mode="approximate")
    frames = decoder.get_frames_in_range(first, first + count).data  # (T, 3, H, W)
    height, width = frames.shape[-2:]
    scale = size_px / min(height, width)
    resized = torch.nn.functional.interpolate(
        frames, size=(round(height * scale), round(width * scale)), mode="bilinear", antialias=True
    )
    return np.asarray(resized.permute(0, 2, 3, 1))


def with_opencv(path: Path, first: int, count: int, size_px: int) -> Frames:
    import cv2

    cv2.setNumThreads(1)
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    video.set(cv2.CAP_PROP_POS_FRAMES, first)
    found: list[Frames] = []
    while len(found) < count:
        _, frame = video.read()
        height, width = frame.shape[:2]
        scale = size_px / min(height, width)
        small = cv2.resize(frame, (round(width * scale), round(height * scale)))
        found.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), dtype=np.uint8))
    video.release()
    return np.stack(found)


def with_decord(path: Path, first: int, count: int, size_px: int) -> Frames:
    from decord import VideoReader

    height, width, _ = VideoReader(str(path), num_threads=1)[0].shape
    scale = size_px / min(height, width)
    reader = VideoReader(
        str(path), width=round(width * scale), height=round(height * scale), num_threads=1
    )
    frames: Frames = reader.get_batch(range(first, first + count)).asnumpy()
    return frames
