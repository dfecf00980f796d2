from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vidnas.core import UserError
from vidnas.data.demo import FRAMES, MOTIONS, render_clip, write_clips
from vidnas.data.reading import read_video

CLASSES = list(MOTIONS)[:8]
CHANCE = 1 / len(CLASSES)


@pytest.fixture(scope="module")
def clips() -> tuple[np.ndarray, np.ndarray]:
    """Clips `(N, T, H, W, 3)` and labels, classes in turn."""
    rendered = [
        render_clip(name, np.random.default_rng((label, index)), size_px=32)
        for index in range(60)
        for label, name in enumerate(CLASSES)
    ]
    return np.stack(rendered), np.arange(len(rendered)) % len(CLASSES)


def _accuracy_of_ridge(features: np.ndarray, labels: np.ndarray) -> float:
    """Test accuracy of a linear classifier; the last third of the clips is the test split."""
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    features = np.hstack([features, np.ones((len(features), 1))])
    train = len(labels) * 2 // 3
    x, targets = features[:train], np.eye(len(CLASSES))[labels[:train]]
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ targets)
    return float(((features[train:] @ weights).argmax(axis=1) == labels[train:]).mean())


def _unit(values: np.ndarray) -> np.ndarray:
    """Complex numbers of absolute value 1; those near 0, where nothing is seen, become 1."""
    size = abs(values)
    return np.where(size > 1e-9, values, 1) / np.where(size > 1e-9, size, 1)


def _tracks(clips: np.ndarray) -> np.ndarray:
    """Position, log area and angle of the shape in every frame, `(N, T, 6)`, circles as pairs."""
    grey = clips.mean(axis=-1) / 255
    grid = np.exp(2j * np.pi * np.arange(clips.shape[2]) / clips.shape[2])

    def centre(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _unit(weights.sum(axis=2) @ grid), _unit(weights.sum(axis=3) @ grid)

    bright, dark = (grey > 0.75).astype(float), (grey < 0.25).astype(float)
    (x, y), (bx, by), (dx, dy) = centre(bright + dark), centre(bright), centre(dark)
    across = np.angle(bx / dx) + 1j * np.angle(by / dy)
    turn = _unit(across)
    area = np.log1p((bright + dark).sum(axis=(2, 3)))
    return np.stack([x.real, x.imag, y.real, y.imag, turn.real, turn.imag, area], axis=-1)


def _motion_features(tracks: np.ndarray) -> np.ndarray:
    """Steps from frame to frame, and how fast the height oscillates, `(N, 6)`."""
    circles = tracks[..., :6:2] + 1j * tracks[..., 1:6:2]
    steps = np.angle(circles[:, 1:] / circles[:, :-1])  # (N, T - 1, 3)
    growth = np.diff(tracks[..., 6], axis=1)
    height = np.cumsum(steps[..., 1], axis=1)
    ramp = np.linspace(0, 1, height.shape[1])
    waves = abs(np.fft.rfft(height - height[:, -1:] * ramp, axis=1))[:, 1:4]
    return np.column_stack([np.median(steps, axis=1), np.median(growth, axis=1), waves])


def test_a_linear_model_sees_the_class_in_the_motion_and_in_no_frame(
    clips: tuple[np.ndarray, np.ndarray],
) -> None:
    frames, labels = clips
    tracks = _tracks(frames)
    motion = _accuracy_of_ridge(_motion_features(tracks), labels)
    for time in (0, FRAMES // 2, FRAMES - 1):
        pixels = frames[:, time, ::2, ::2].reshape(len(labels), -1) / 255
        still = _accuracy_of_ridge(np.hstack([pixels, tracks[:, time]]), labels)
        assert still < 2 * CHANCE
    assert motion > 5 * CHANCE


class _SmallNetwork(nn.Module):
    """Four strided convolutions; frames, if there are several, are seen as channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [channels, 16, 32, 64, 64]
        self.features = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(i, o, 3, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(o),
                    nn.ReLU(),
                )
                for i, o in itertools.pairwise(widths)
            )
        )
        self.classifier = nn.Linear(64, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean(dim=(2, 3)))


def _accuracy_of_network(images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Accuracy on training and on test images after a short training."""
    torch.manual_seed(0)
    network = _SmallNetwork(images.shape[1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    train = len(labels) * 2 // 3
    for _ in range(25):
        for batch in torch.randperm(train).split(16):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    network.eval()
    right = network(images).argmax(dim=1) == labels
    return float(right[:train].float().mean()), float(right[train:].float().mean())


def test_a_convolutional_network_does_not_see_the_class_in_one_frame(
    clips: tuple[np.ndarray, np.ndarray],
) -> None:
    frames, labels = clips
    rng = np.random.default_rng(0)
    one = frames[np.arange(len(labels)), rng.integers(FRAMES, size=len(labels))]
    images = torch.from_numpy(one).permute(0, 3, 1, 2).float() / 255
    on_train, on_test = _accuracy_of_network(images, torch.from_numpy(labels))
    assert on_train > 0.9  # it has learned, but nothing that holds
    assert on_test < 2 * CHANCE


@pytest.mark.parametrize(
    ("name", "opposite", "turn"),
    [
        ("left", "right", lambda clip: clip[:, :, ::-1]),
        ("up", "down", lambda clip: clip[:, ::-1]),
        ("growing", "shrinking", lambda clip: clip[::-1]),
        ("clockwise", "counterclockwise", lambda clip: clip[::-1]),
    ],
)
def test_opposites_are_mirror_images_of_each_other(
    name: str, opposite: str, turn: Callable[[np.ndarray], np.ndarray]
) -> None:
    """The mean step of the shape changes sign when the clip is mirrored or played backwards."""
    measured = []
    for motion, change in ((name, lambda clip: clip), (opposite, turn)):
        clips = [change(render_clip(motion, np.random.default_rng(i))) for i in range(12)]
        measured.append(_motion_features(_tracks(np.stack(clips)))[:, :4])
    column = {"left": 0, "up": 1, "clockwise": 2, "growing": 3}[name]
    first, second = (values[:, column] for values in measured)
    assert abs(np.median(first)) > 0.02
    assert np.sign(np.median(first)) == np.sign(np.median(second))
    assert (np.sign(first) == np.sign(np.median(first))).mean() > 0.8


def test_directions_are_as_they_are_called() -> None:
    def step(motion: str) -> np.ndarray:
        clips = np.stack([render_clip(motion, np.random.default_rng(i)) for i in range(12)])
        return np.median(_motion_features(_tracks(clips)), axis=0)

    assert step("right")[0] > 0.05
    assert step("down")[1] > 0.05  # rows count downwards
    assert step("clockwise")[2] > 0.05  # so angles grow clockwise
    assert step("growing")[3] > 0.02


def test_files_are_real_videos_and_the_same_for_a_seed(tmp_path: Path) -> None:
    arguments = {"classes": ("left", "slow"), "clips_per_class": 2, "size_px": 48}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_clips(tmp_path / name, seed=seed, **arguments)
    names = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.mp4"))
    assert [str(name) for name in names] == [
        "left/left_000.mp4",
        "left/left_001.mp4",
        "slow/slow_000.mp4",
        "slow/slow_001.mp4",
    ]
    for name in names:
        first, second, other = ((tmp_path / k / name).read_bytes() for k in "abc")
        assert first == second != other
        frames, fps = read_video(tmp_path / "a" / name)
        assert frames.shape == (FRAMES, 48, 48, 3)
        assert fps == 16
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="already exists"):
        write_clips(tmp_path, classes=("left",), clips_per_class=1)
    with pytest.raises(UserError, match="even size"):
        write_clips(tmp_path / "new", classes=("left",), clips_per_class=1, size_px=33)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
