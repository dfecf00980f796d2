"""Clips for the benchmarks that need some: generated ones, or those that are given."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import Dataset, load_dataset
from vidnas.data.demo import MOTIONS, write_clips

SIZE_PX = 64
THREE_MOTIONS = ("left", "right", "growing")
DEMO, TWELVE_MOTIONS = "demo", "demo12"
"""What stands for generated clips in the place of a path."""
CLIPS_HELP = (
    f"folder of class folders or CSV; {DEMO} for the clips of `vidnas data demo`, {TWELVE_MOTIONS} "
    "for all twelve motions and few clips to train on"
)
CLIPS_PER_CLASS = {"train": 12, "val": 8, "test": 40}
"""Those of `demo12`: few to train on, many to tell ways apart."""


def find_all(given: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return where labelled clips are, by name.

    Raises:
        ValueError: two have the same name.
    """
    found = {Path(one).stem: find_clips(one, folder) for one in given}
    if len(found) < len(given):
        raise ValueError(f"Two of {' and '.join(given)} have the same name; rename one.")
    return found


def find_clips(given: str, folder: Path) -> Path:
    """Return where labelled clips are: those at a path, or generated ones in the folder."""
    target = folder / given
    if given == DEMO and not target.exists():
        write_clips(target, classes=list(MOTIONS)[:8], clips_per_class=60)
    if given == TWELVE_MOTIONS:
        for seed, (split, count) in enumerate(CLIPS_PER_CLASS.items()):
            if not (target / split).exists():
                target.mkdir(parents=True, exist_ok=True)
                write_clips(target / split, classes=list(MOTIONS), clips_per_class=count, seed=seed)
    return target if given in (DEMO, TWELVE_MOTIONS) else Path(given)


@contextmanager
def temporary_cache(
    given: Path | None = None,
    *,
    classes: Sequence[str] = THREE_MOTIONS,
    clips_per_class: int = 40,
    size_px: int = SIZE_PX,
) -> Iterator[tuple[Dataset, ClipCache]]:
    """Yield labelled clips and their cache, in a folder that goes when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        source = given or Path(folder) / "clips"
        if given is None:
            write_clips(source, classes=classes, clips_per_class=clips_per_class)
        dataset = load_dataset(source)
        began = time.perf_counter()
        cache = build_cache(dataset, size_px=size_px, directory=Path(folder) / "cache")
        seconds = time.perf_counter() - began
        print(f"cache of {len(cache)} videos, built once in {seconds:.1f} s", flush=True)
        yield dataset, cache
