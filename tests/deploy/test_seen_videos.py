"""The list of the videos that a model has seen: whatever is written can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vidnas.core import UserError, bounds
from vidnas.deploy.seen_videos import SeenVideos

FEW = SeenVideos(frozenset({"aa", "bb"}), frozenset({"cc"}))


def test_a_million_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    trained = frozenset(f"{number:016x}" for number in range(1_000_000))
    seen = SeenVideos(trained, frozenset({"cc"}))
    seen.write(tmp_path / "videos.txt")
    assert SeenVideos.read(tmp_path / "videos.txt") == seen


def test_what_could_not_be_read_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FEW.write(tmp_path / "videos.txt")
    size = (tmp_path / "videos.txt").stat().st_size
    monkeypatch.setattr(bounds, "LISTING", replace(bounds.LISTING, size_bytes=size))
    assert SeenVideos.read(tmp_path / "videos.txt") == FEW
    more = SeenVideos(FEW.trained, frozenset({"cc", "dd"}))
    with pytest.raises(UserError, match=r"more\.txt would list 4 files, more than can be read"):
        more.write(tmp_path / "more.txt")
    assert not (tmp_path / "more.txt").exists()


@pytest.mark.parametrize("text", ["train xyz\n", "test aa\n", "train aa bb\n", "\0"])
def test_a_damaged_list_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "videos.txt").write_text("train aa\n" + text)
    with pytest.raises(UserError, match=r"videos\.txt is damaged in line 2; copy it again"):
        SeenVideos.read(tmp_path / "videos.txt")
