"""Clips for those tests that train."""

from __future__ import annotations

import pytest

from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    """Twelve clips of two motions."""
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder / "clips", classes=("left", "right"), clips_per_class=6, size_px=32)
    return build_cache(load_dataset(folder / "clips"), size_px=16, directory=folder / "cache")
