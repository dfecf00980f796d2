"""What files hold: all of it counts, and it is read again only when a file changed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from vidnas.data import contents
from vidnas.data.contents import hash_file, hash_files


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 500_000)
        os.utime(path, (1e9, 1e9))
    return paths


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read."""
    found: list[Path] = []
    original = contents._digest
    monkeypatch.setattr(contents, "_digest", lambda path: found.append(path) or original(path))
    monkeypatch.setattr(contents, "_SETTLED_NS", 0)
    return found


def test_a_change_in_the_middle_is_another_content(files: list[Path]) -> None:
    before = hash_file(files[0]).digest
    data = bytearray(files[0].read_bytes())
    data[250_000] ^= 1
    files[0].write_bytes(data)
    assert hash_file(files[0]).digest != before


def test_files_are_read_once(files: list[Path], read: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "table" / "contents.txt"
    calls: list[tuple[int, int]] = []
    first = hash_files([*files, files[0]], table, lambda *counts: calls.append(counts))
    assert calls == [(1, 2), (2, 2)]
    assert sorted(read) == files
    assert hash_files(files, table, lambda *counts: calls.append(counts)) == first
    assert len(read) == len(calls) == 2
    for change in (
        lambda: files[0].write_bytes(files[0].read_bytes()[:-1] + b"?"),
        lambda: os.utime(files[0], (1e9, 1e9)),  # the time stamp is that of before
    ):
        change()
        again = hash_files(files, table)
        assert again[files[0]].digest != first[files[0]].digest
        assert again[files[1]] == first[files[1]]
    assert read[2:] == [files[0]] * 2


def test_a_file_is_known_however_its_path_is_typed(
    files: list[Path], read: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "contents.txt"
    hash_files(files, table)
    monkeypatch.chdir(tmp_path)
    typed = [Path("a.mp4"), Path("../") / tmp_path.name / "b.mp4"]
    found = hash_files(typed, table)
    assert list(found) == typed
    assert sorted(read) == files


def test_what_is_not_asked_for_is_not_forgotten(
    files: list[Path], read: list[Path], tmp_path: Path
) -> None:
    for asked in (files[:1], files[1:], files):
        hash_files(asked, tmp_path / "contents.txt")
    assert read == files


def test_what_was_hashed_before_an_interruption_is_kept(
    files: list[Path], read: list[Path], tmp_path: Path
) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hash_files(files, tmp_path / "contents.txt", interrupt)
    assert list(contents._read_table(tmp_path / "contents.txt")) == [str(files[0])]
    read.clear()
    hash_files(files, tmp_path / "contents.txt")
    assert read == [files[1]]


@pytest.mark.usefixtures("read")
def test_what_is_hashed_is_written_now_and_then(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, known = tmp_path / "contents.txt", []
    monkeypatch.setattr(contents, "_WRITE_EVERY_S", -1)
    hash_files(files, table, lambda *_: known.append(len(contents._read_table(table))))
    assert known == [0, 1]


def test_a_file_of_the_future_is_read_once(
    files: list[Path], read: list[Path], tmp_path: Path
) -> None:
    os.utime(files[0], (9e9, 9e9))
    for _ in range(2):
        hash_files(files, tmp_path / "contents.txt")
    assert sorted(read) == files


def test_what_changed_as_it_was_hashed_is_not_trusted_later(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(time_ns=time.time_ns, monotonic=time.monotonic)
    monkeypatch.setattr(contents, "time", clock)

    def wait(*_: int) -> None:  # for the other files
        clock.time_ns = lambda: time.time_ns() + 10**12

    hash_files(files[:1], tmp_path / "contents.txt", wait)
    assert not contents._read_table(tmp_path / "contents.txt")


def test_what_changed_a_moment_ago_is_not_trusted(files: list[Path], tmp_path: Path) -> None:
    files[0].write_bytes(b"new")
    hash_files(files, tmp_path / "contents.txt")
    assert not contents._read_table(tmp_path / "contents.txt")


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"00000000 [1]", b'{"a": 1}', b"\xff\xfe"])
def test_a_damaged_table_is_done_without(
    files: list[Path], read: list[Path], tmp_path: Path, damage: bytes
) -> None:
    table = tmp_path / "contents.txt"
    expected = hash_files(files, table)
    table.write_bytes(damage)
    assert hash_files(files, table) == expected
    assert len(read) == 4
    assert hash_files(files, table) == expected
    assert len(read) == 4


def test_a_table_that_cannot_be_written_is_done_without(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert len(hash_files(files, tmp_path / "file" / "contents.txt")) == 2


def test_a_file_that_cannot_be_read_is_known_by_its_error(tmp_path: Path) -> None:
    missing, other = hash_file(tmp_path / "missing.mp4"), hash_file(tmp_path / "other.mp4")
    assert missing == other
    assert missing.stamp == ()
    too_long = hash_file(tmp_path / ("x" * 300))
    assert too_long.digest != missing.digest


def test_a_folder_of_frames_is_its_names_and_files(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(bytes([number]))
    before = hash_file(folder)
    assert hash_file(folder) == before
    (folder / "1.jpg").rename(folder / "3.jpg")
    after = hash_file(folder)
    assert after.digest != before.digest
    assert after.stamp != before.stamp
