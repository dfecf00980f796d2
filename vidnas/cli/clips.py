"""Labelled clips for a command: read, decoded once with progress, remarks printed."""

from __future__ import annotations

from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vidnas.cli.console import messages
from vidnas.data.building import native_size_px
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset

_SHOWN = 5
_LARGEST_PX = 128


def open_clips(source: Path, *, size_px: int | None, seed: int) -> ClipCache:
    """Open the cache of a data set, building it where that was not done before.

    Args:
        source: folder of class folders, or CSV.
        size_px: short side of the frames; None for that of the videos, and 128 at most.
        seed: of splits that are not given.

    Raises:
        UserError: the data set cannot be used, or its cache cannot be written.
    """
    dataset = load_dataset(source, seed=seed)
    for remark in dataset.remarks:
        messages.print(f"[yellow]Note:[/] {remark}")
    if size_px is None:
        size_px = min(_LARGEST_PX, native_size_px(dataset) or _LARGEST_PX)
    with Progress(
        TextColumn("Decoding"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=len(dataset.videos))
        cache = build_cache(
            dataset,
            size_px=size_px,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for path, reason in cache.skipped[:_SHOWN]:
        messages.print(f"[yellow]Skipped:[/] {path}: {reason}")
    if len(cache.skipped) > _SHOWN:
        messages.print(
            f"[yellow]Skipped:[/] {len(cache.skipped) - _SHOWN} more; `vidnas data check {source}` "
            "names them all."
        )
    sizes = ", ".join(f"{len(cache.videos(split))} {split}" for split in ("train", "val", "test"))
    messages.print(f"{len(cache)} videos of {len(cache.classes)} classes: {sizes}.")
    return cache
