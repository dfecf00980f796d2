"""All caches together: bounded, listed, cleared, and never taken from those who use them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vidnas.core import UserError
from vidnas.core.quantities import parse_bytes
from vidnas.data.cache import build_cache, state_of
from vidnas.data.cache_folder import (
    ABOUT,
    building,
    clear_caches,
    hold,
    list_caches,
    make_room,
    remove_cache,
)
from vidnas.data.datasets import Dataset

KB = 1000


class User:
    """Somebody who has a cache open."""


def make(root: Path, name: str, size: int, last_used: float) -> Path:
    folder = root / f"{name}-0123456789abcdef-64px-v4"
    folder.mkdir(parents=True)
    (folder / "rgb-0.raw").write_bytes(bytes(size))
    (folder / ABOUT).write_text('{"source": "/clips"}')
    os.utime(folder / ABOUT, (last_used, last_used))
    return folder


@pytest.fixture
def caches(tmp_path: Path) -> list[Path]:
    """Three caches, the first of which was not used for longest."""
    times = {"old": 1e9, "newer": 1.1e9, "newest": 1.2e9}
    return [make(tmp_path, name, 100 * KB, time) for name, time in times.items()]


def grow(root: Path, needed: float, limit: int) -> list[str]:
    remarks: list[str] = []
    make_room(
        root / "mine-fedcba9876543210-64px-v4",
        needed,
        "the clips need",
        limit_bytes=limit,
        on_remark=remarks.append,
    )
    return remarks


def test_the_least_recently_used_makes_room(tmp_path: Path, caches: list[Path]) -> None:
    assert grow(tmp_path, 50 * KB, limit=400 * KB) == []
    (remark,) = grow(tmp_path, 150 * KB, limit=400 * KB)
    assert remark.startswith(f"The clip cache {caches[0].name} (100 kB) was removed to make room")
    assert [one.directory for one in list_caches(tmp_path)] == caches[1:]


def test_one_that_is_in_use_stays(tmp_path: Path, caches: list[Path]) -> None:
    user = User()
    hold(caches[0], user)
    (remark,) = grow(tmp_path, 150 * KB, limit=400 * KB)
    assert caches[1].name in remark
    assert not remove_cache(caches[0])
    assert [one.in_use for one in list_caches(tmp_path)] == [True, False]
    with building(caches[2]), pytest.raises(UserError, match="--cache-size") as error:
        grow(tmp_path, 250 * KB, limit=400 * KB)
    assert "may take 400 kB, and those in use take 200 kB" in str(error.value)
    assert {one.directory for one in list_caches(tmp_path)} == {caches[0], caches[2]}
    del user
    assert remove_cache(caches[0])


def test_nothing_is_removed_in_vain(tmp_path: Path, caches: list[Path]) -> None:
    with pytest.raises(UserError, match="may take 200 kB"):
        grow(tmp_path, 300 * KB, limit=200 * KB)
    assert len(list_caches(tmp_path)) == 3


def test_the_limit_of_the_environment(
    tmp_path: Path, caches: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDNAS_CACHE_SIZE", "350kB")
    remarks: list[str] = []
    make_room(tmp_path / "mine", 150 * KB, "clips", on_remark=remarks.append)
    assert len(remarks) == 1
    monkeypatch.setenv("VIDNAS_CACHE_SIZE", "much")
    with pytest.raises(UserError, match="VIDNAS_CACHE_SIZE: 'much' is not a size"):
        make_room(tmp_path / "mine", 1, "clips")


@pytest.mark.parametrize(
    ("text", "size"), [("200GB", 200 * 10**9), ("1.5 TB", 1.5e12), ("3MiB", 3 << 20), ("7b", 7)]
)
def test_sizes(text: str, size: float) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "200", "GB", "-1GB", "0GB", "1ZB", "1e3GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UserError, match="write it like 200GB"):
        parse_bytes(text)


def test_only_files_of_caches_are_removed(tmp_path: Path, caches: list[Path]) -> None:
    (caches[0] / "thesis.txt").write_text("mine")
    outside = tmp_path / "outside"
    make(outside, "victim", 100, 1e9)
    (caches[1] / "rgb-1.raw").symlink_to(outside)
    (tmp_path / "link-0123456789abcdef-64px-v4").symlink_to(outside / "victim")
    (tmp_path / "photos").mkdir()
    assert all(removed for _, removed in clear_caches(tmp_path, "all"))
    assert [path.name for path in caches[0].iterdir()] == ["thesis.txt"]
    assert not caches[1].exists()
    assert len(list_caches(outside)) == 1
    assert (tmp_path / "photos").is_dir()


def test_one_cache_is_cleared_by_its_name(tmp_path: Path, caches: list[Path]) -> None:
    ((entry, removed),) = clear_caches(tmp_path, caches[1].name)
    assert (entry.directory, removed, caches[1].exists()) == (caches[1], True, False)
    with pytest.raises(UserError, match="did you mean newest-"):
        clear_caches(tmp_path, "newst-0123456789abcdef-64px-v4")


def test_states(demo_dataset: Dataset, tmp_path: Path, caches: list[Path]) -> None:
    cache = build_cache(demo_dataset, size_px=16, directory=tmp_path)
    caches[0].rename(caches[0].with_name(caches[0].name.replace("-v4", "-v3")))

    def states() -> dict[str, str]:
        found = {
            one.directory.name.partition("-")[0]: state_of(one) for one in list_caches(tmp_path)
        }
        return found

    assert states() == {
        "old": "of another version",
        "newer": "unfinished",
        "newest": "unfinished",
        "demo": "in use",
    }
    (entry,) = (one for one in list_caches(tmp_path) if one.in_use)
    assert entry.source == str(demo_dataset.source.resolve())
    assert entry is not list_caches(tmp_path)[0]
    folder = cache.directory
    del cache
    assert states()["demo"] == "ready"
    os.truncate(folder / "rgb-0.raw", 10)
    assert states()["demo"] == "damaged"


@pytest.mark.parametrize("kind", ["too long", "a file", "a loop"])
def test_a_folder_that_cannot_be_made_is_one_sentence(
    demo_dataset: Dataset, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / {"too long": "x" * 300}.get(kind, "caches")
    if kind == "a file":
        folder.touch()
    if kind == "a loop":
        folder.symlink_to(folder)
    with pytest.raises(UserError, match="another folder in the variable VIDNAS_CACHE"):
        build_cache(demo_dataset, size_px=16, directory=folder)


def test_a_full_disk_is_one_sentence_and_what_is_decoded_stays(
    demo_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidnas.data import stored_frames

    def is_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stored_frames.Journal, "append", is_full)
    with pytest.raises(UserError, match="run the same command again, which goes on from here"):
        build_cache(demo_dataset, size_px=16, directory=tmp_path)


def test_a_source_with_a_long_name(demo_folder: Path, tmp_path: Path) -> None:
    from vidnas.data.datasets import load_dataset

    clips = tmp_path / ("ü" * 120)
    clips.symlink_to(demo_folder)
    named = tmp_path / ("ä" * 125)
    demo_folder_copy = named
    demo_folder_copy.mkdir()
    for path in demo_folder.iterdir():
        (named / path.name).symlink_to(path)
    dataset = load_dataset(demo_folder)
    long = Dataset(named, dataset.classes, dataset.videos)
    assert build_cache(long, size_px=16, directory=tmp_path / "c").directory.name.startswith(
        "ä" * 40
    )
