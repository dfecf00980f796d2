"""Generated clips whose classes differ only in motion, to try every command on.

A two-coloured shape moves over a moving texture. Position, size and angle wrap round, and every
clip starts at a uniformly random point of each. At any moment they have the same distribution in
all classes, so that no single frame reveals the class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.core.files import making
from vidnas.data.reading import Frames

FRAMES = 16
RATE_FPS = 16
_RADIUS = (0.15, 0.34)  # of the picture's side
_Array = NDArray[np.float64]


class _Trajectory:
    """Where the shape is over time `u`, `(T,)` in [0, 1); all coordinates wrap round at 1."""

    def __init__(self, rng: np.random.Generator, u: _Array) -> None:
        self.u = u
        self.rng = rng
        self.x, self.y, self.turn, self.zoom = (rng.random() + 0 * u for _ in range(4))
        self.speed = rng.uniform(0.75, 1.25)

    def right(self, direction: int) -> None:
        self.x = self.x + direction * 0.6 * self.speed * self.u

    def down(self, direction: int) -> None:
        self.y = self.y + direction * 0.6 * self.speed * self.u

    def clockwise(self, direction: int) -> None:
        self.turn = self.turn + direction * 0.8 * self.speed * self.u

    def grow(self, direction: int) -> None:
        self.zoom = self.zoom + direction * 0.7 * self.speed * self.u

    def bounce(self, times: int) -> None:
        """Move up and down like a ball, meeting the floor `times` times, whatever the height."""
        height = self.rng.uniform(0.25, 0.5)
        phase = self.rng.random()
        self.y = self.y - height * np.abs(np.sin(np.pi * (phase + times * self.u)))

    def diagonal(self, distance: float) -> None:
        signs = self.rng.choice([-1, 1], size=2)
        self.x = self.x + signs[0] * distance * self.speed * self.u
        self.y = self.y + signs[1] * distance * self.speed * self.u


MOTIONS: dict[str, Callable[[_Trajectory], None]] = {
    "left": lambda shape: shape.right(-1),
    "right": lambda shape: shape.right(1),
    "clockwise": lambda shape: shape.clockwise(1),
    "counterclockwise": lambda shape: shape.clockwise(-1),
    "growing": lambda shape: shape.grow(1),
    "shrinking": lambda shape: shape.grow(-1),
    "one_bounce": lambda shape: shape.bounce(1),
    "two_bounces": lambda shape: shape.bounce(2),
    "up": lambda shape: shape.down(-1),
    "down": lambda shape: shape.down(1),
    "fast": lambda shape: shape.diagonal(0.9),
    "slow": lambda shape: shape.diagonal(0.3),
}


def render_clip(motion: str, rng: np.random.Generator, size_px: int = 64) -> Frames:
    """Return a clip of the class `motion`, a key of `MOTIONS`: `(FRAMES, size_px, size_px, 3)`."""
    trajectory = _Trajectory(rng, np.arange(FRAMES) / FRAMES)
    MOTIONS[motion](trajectory)
    inside, upper = _shape(trajectory, rng, size_px)
    colours = rng.uniform(0, 0.3, size=(2, 3))  # one half dark, the other bright: both are visible
    colours[1] = 1 - colours[1]
    shape = np.where(upper[..., None], colours[1], colours[0])
    alpha = inside[..., None]
    picture = alpha * shape + (1 - alpha) * _background(rng, trajectory.u, size_px)
    frames: Frames = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    return frames


def write_clips(
    folder: Path | str,
    *,
    classes: Sequence[str],
    clips_per_class: int,
    size_px: int = 64,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `folder/<class>/<class>_<number>.mp4`; the same arguments give the same files.

    Raises:
        UserError: the folder is not empty, or the size is impossible.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder}: already exists; choose a new folder or remove it first.")
    if size_px < 16 or size_px % 2:
        raise UserError(f"{size_px} px: H.264 needs an even size of 16 or more; try 64.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with making(folder) as temporary:
        unfinished = temporary / folder.name
        for number, name in enumerate(classes):
            (unfinished / name).mkdir(parents=True)
            for clip in range(clips_per_class):
                rng = np.random.default_rng((seed, *name.encode(), clip))
                _encode(
                    render_clip(name, rng, size_px), unfinished / name / f"{name}_{clip:03d}.mp4"
                )
                if on_progress:
                    on_progress(number * clips_per_class + clip + 1, len(classes) * clips_per_class)
        unfinished.replace(folder)


def _shape(
    path: _Trajectory, rng: np.random.Generator, size_px: int
) -> tuple[_Array, NDArray[np.bool_]]:
    """Return how much a regular polygon covers of each pixel, and its upper half, `(T, H, W)`."""
    grid = (np.arange(size_px) + 0.5) / size_px
    dx = _wrapped(grid[None, None, :] - path.x[:, None, None])
    dy = _wrapped(grid[None, :, None] - path.y[:, None, None])
    distance = np.hypot(dx, dy)
    angle = np.arctan2(dy, dx) - 2 * np.pi * path.turn[:, None, None]  # clockwise: y points down
    radius = _RADIUS[0] * (_RADIUS[1] / _RADIUS[0]) ** (path.zoom % 1)[:, None, None]
    corner = 2 * np.pi / rng.choice([3, 4, 5, 100])  # a hundred corners are a circle
    edge = radius * np.cos(corner / 2) / np.cos(angle % corner - corner / 2)
    return np.clip((edge - distance) * size_px + 0.5, 0, 1), np.sin(angle) < 0


def _wrapped(difference: _Array) -> _Array:
    return (difference + 0.5) % 1 - 0.5


def _background(rng: np.random.Generator, u: _Array, size_px: int) -> _Array:
    """Return a random smooth texture that drifts in a random direction, `(T, H, W, 3)`."""
    fx = np.fft.rfftfreq(size_px, 1 / size_px)[None, :]
    fy = np.fft.fftfreq(size_px, 1 / size_px)[:, None]
    noise = np.fft.rfft2(rng.standard_normal((size_px, size_px)))
    noise *= np.exp(-(fx**2 + fy**2) / (2 * rng.uniform(2, 5) ** 2))
    noise[0, 0] = 0
    heading, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.6)
    shift = fx * np.cos(heading) + fy * np.sin(heading)
    drift = np.exp(-2j * np.pi * distance * u[:, None, None] * shift)  # (T, H, W // 2 + 1)
    texture = np.fft.irfft2(noise * drift, axes=(1, 2))
    colour, contrast = rng.uniform(0.4, 0.6, size=3), rng.uniform(-0.12, 0.12, size=3)
    moving: _Array = colour + contrast * (texture / texture.std())[..., None]
    return moving


def _encode(frames: Frames, path: Path) -> None:
    # x264's look-ahead and several threads give different bytes from run to run.
    options = {"crf": "20", "preset": "veryfast", "tune": "zerolatency"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_FPS, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, RATE_FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
