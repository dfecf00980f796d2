"""Annotations and videos as they are published, written for tests; and what was read of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vidnas.data.datasets import Dataset
from vidnas.data.formats.base import Reading


def write_files(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def write_videos(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def write_frames(root: Path, *names: str, form: str = "{:05d}.jpg") -> None:
    write_videos(root, *(f"{name}/{form.format(i)}" for name in names for i in (1, 2, 3)))


def splits_of(read: Dataset | Reading) -> dict[str | None, int]:
    videos = read.videos if isinstance(read, Dataset) else read.entries
    return dict(Counter(video.split for video in videos))


def said(read: Dataset | Reading, *words: str) -> bool:
    return any(all(word in remark for word in words) for remark in read.remarks)
