"""Clips for the benchmarks that need some: generated ones, or those that are given."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import Dataset, load_dataset
from vidnas.data.demo import write_clips

SIZE_PX = 64
THREE_MOTIONS = ("left", "right", "growing")


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
