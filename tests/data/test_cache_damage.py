"""Caches that were damaged or not finished: noticed, and mended by building them again."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vidnas.core import UserError
from vidnas.data import cache_writer, frame_table, stored_frames
from vidnas.data.cache import ClipCache, build_cache, build_flow
from vidnas.data.cache_store import Kept, Store
from vidnas.data.cache_writer import INDEX
from vidnas.data.checked_files import remember_checked
from vidnas.data.checked_text import read_line
from vidnas.data.contents import FileContent
from vidnas.data.datasets import Dataset, load_dataset
from vidnas.data.reading import VideoError, opening
from vidnas.data.stored_frames import CacheDamaged, Journal, append_frames, is_whole

SIZE_PX = 24


@pytest.fixture(scope="module")
def whole(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    directory = tmp_path_factory.mktemp("whole")
    return build_cache(load_dataset(demo_folder), size_px=SIZE_PX, directory=directory)


@pytest.fixture
def copy(whole: ClipCache, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole.directory, tmp_path / whole.directory.name))


def rebuild(dataset: Dataset, folder: Path) -> tuple[ClipCache, int, list[str]]:
    """Build again; return the cache, how many videos were decoded, and what was said."""
    lines = _lines(folder)
    remarks: list[str] = []
    cache = build_cache(dataset, size_px=SIZE_PX, directory=folder.parent, on_remark=remarks.append)
    return cache, _lines(folder) - lines, remarks


def _lines(folder: Path) -> int:
    """Return how often a video was decoded, as the journal says."""
    path, found = folder / "rgb.journal", 0
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        with suppress(ValueError):
            found += len(read_line(line)) > 0
    return found


def assert_same(cache: ClipCache, whole: ClipCache) -> None:
    assert cache.paths == whole.paths
    assert cache.contents == whole.contents
    for video in range(len(whole)):
        np.testing.assert_array_equal(cache.frames(video), whole.frames(video))


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def zero_a_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:8192] = bytes(4096)
    path.write_bytes(data)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def garbage(path: Path) -> None:
    path.write_bytes(b"{" + os.urandom(500))


def missing(path: Path) -> None:
    path.unlink()


DAMAGES = (cut_off, empty, zero, zero_a_page, flip_a_bit, garbage, missing)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_damaged_frames_are_decoded_again_and_no_others(
    whole: ClipCache, demo_dataset: Dataset, copy: Path, damage: Callable[[Path], None]
) -> None:
    path = max(copy.glob("rgb-*.raw"), key=lambda path: path.stat().st_size)
    damage(path)
    cache, decoded, remarks = rebuild(demo_dataset, copy)
    assert_same(cache, whole)
    assert 0 < decoded <= len(whole)
    if damage in (zero_a_page, flip_a_bit):
        assert decoded <= 2
    (remark,) = remarks
    assert (
        f"{decoded} of 24 videos {'was' if decoded == 1 else 'were'} not what was written" in remark
    )
    assert rebuild(demo_dataset, copy)[1:] == (0, [])


@pytest.mark.usefixtures("here")
def test_a_repair_that_is_killed_goes_on(
    whole: ClipCache, demo_dataset: Dataset, copy: Path
) -> None:
    def add(store: Store, video: int, kept: Kept) -> None:
        original(store, video, kept)
        if len(store.found) == 9:
            raise KeyboardInterrupt

    for path in copy.glob("rgb-*.raw"):
        zero(path)
    original = Store.add
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, "add", add)
        build_cache(demo_dataset, size_px=SIZE_PX, directory=copy.parent)
    cache, decoded, _ = rebuild(demo_dataset, copy)
    assert decoded == 24 - 9
    assert_same(cache, whole)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_damaged_index_is_written_anew(
    whole: ClipCache, demo_dataset: Dataset, copy: Path, damage: Callable[[Path], None]
) -> None:
    damage(copy / INDEX)
    if damage is not missing:
        with pytest.raises(CacheDamaged, match="run the same command again"):
            ClipCache(copy)
    cache, decoded, remarks = rebuild(demo_dataset, copy)
    assert_same(cache, whole)
    assert decoded == 0
    assert len(remarks) == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, garbage, missing])
def test_without_its_journal_a_cache_is_whole(
    whole: ClipCache, demo_dataset: Dataset, copy: Path, damage: Callable[[Path], None]
) -> None:
    for name in ("rgb.journal", "checked.json", "about.json"):
        damage(copy / name)
    cache, decoded, remarks = rebuild(demo_dataset, copy)
    assert_same(cache, whole)
    assert (decoded, remarks) == (0, [])


@pytest.mark.usefixtures("here")
def test_without_index_and_journal_all_is_decoded_again(
    whole: ClipCache, demo_dataset: Dataset, copy: Path
) -> None:
    garbage(copy / INDEX)
    garbage(copy / "rgb.journal")
    cache, decoded, remarks = rebuild(demo_dataset, copy)
    assert_same(cache, whole)
    assert decoded == 24
    assert "24 of 24 videos had to be read again" in remarks[0]


def test_any_flipped_bit_of_an_index_is_noticed_or_harmless(copy: Path, whole: ClipCache) -> None:
    data = (copy / INDEX).read_bytes()
    head, arrays = frame_table.read_index(whole.directory / INDEX)
    rng = np.random.default_rng(0)
    for place in rng.integers(len(data), size=300).tolist():
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        (copy / INDEX).write_bytes(flipped)
        try:
            read, others = frame_table.read_index(copy / INDEX)
        except CacheDamaged:
            continue
        assert read == head
        assert all(np.array_equal(others[name], arrays[name]) for name in arrays)


@pytest.mark.usefixtures("here")
def test_damage_that_leaves_no_trace_is_noticed_while_reading(
    whole: ClipCache, demo_dataset: Dataset, copy: Path
) -> None:
    (path,) = {*copy.glob("rgb-0.raw")}
    flip_a_bit(path)
    remember_checked(copy, copy.glob("rgb-*.raw"))  # a disk changes no time stamp
    cache = build_cache(demo_dataset, size_px=SIZE_PX, directory=copy.parent)
    damaged = []
    for video in range(len(cache)):
        try:
            cache.frames(video)
        except CacheDamaged as error:
            damaged.append(str(pickle.loads(pickle.dumps(error))))
    assert len(damaged) == 1
    assert "run the same command again, which repairs it" in damaged[0]
    repaired, decoded, _ = rebuild(demo_dataset, copy)
    assert decoded == 1
    assert_same(repaired, whole)


def test_only_the_blocks_of_the_clip_are_compared(
    whole: ClipCache, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = SIZE_PX * SIZE_PX * 3
    monkeypatch.setattr(frame_table, "BLOCK_BYTES", frame * 3 // 2)  # two frames, three half ones
    folder = copy.with_name("blocks")
    folder.mkdir()
    monkeypatch.setattr(stored_frames, "BLOCK_BYTES", frame * 3 // 2)
    record = append_frames(whole.frames(0), folder, "rgb")
    table = frame_table.FrameTable(folder, "rgb", frame_table.table_of([record]))
    shard = stored_frames.shard_path(folder, "rgb", record.shard)
    data = bytearray(shard.read_bytes())
    data[8 * frame + 5] ^= 1
    with shard.open("r+b") as file:  # the same file, which is mapped
        file.write(data)
    table.check(0, np.array([0, 1, 2, 15]))
    table.check(0, np.array([6]))
    with pytest.raises(CacheDamaged):
        table.check(0, np.array([7]))  # shares its block with frame 8
    with pytest.raises(CacheDamaged):
        table.check(0)
    os.truncate(shard, 9 * frame)
    with pytest.raises(CacheDamaged):  # reading it would end the process
        table.check(0, np.array([14]))


BUILDER = """
import os, signal, sys
from pathlib import Path
from vidnas.data.cache import build_cache
from vidnas.data.checked_text import read_line
from vidnas.data.datasets import load_dataset

def kill(done, total):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    cache = build_cache(
        load_dataset(Path(sys.argv[1])), size_px=24, directory=Path(sys.argv[2]), on_progress=kill
    )
    print(len(cache))
"""


def start_builder(demo: Path, root: Path, kill_at: int) -> subprocess.Popen[str]:
    script = root / "builder.py"
    script.write_text(BUILDER)
    command = [sys.executable, str(script), str(demo), str(root), str(kill_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_builder_is_continued(
    whole: ClipCache, demo_folder: Path, demo_dataset: Dataset, tmp_path: Path
) -> None:
    assert start_builder(demo_folder, tmp_path, kill_at=9).wait(120) == -signal.SIGKILL
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    with (folder / "rgb.journal").open("a") as journal:
        journal.write('\n1234 ["cut o')  # as a kill may leave it
    cache, decoded, remarks = rebuild(demo_dataset, folder)
    assert decoded == 24 - 9
    assert remarks == ["Going on with a clip cache that was not finished: it holds 9 of 24 videos."]
    assert_same(cache, whole)
    assert len(list(folder.glob("rgb-*.raw"))) <= 2 * (os.cpu_count() or 1)


def test_two_processes_build_one_cache(
    whole: ClipCache, demo_folder: Path, demo_dataset: Dataset, tmp_path: Path
) -> None:
    builders = [start_builder(demo_folder, tmp_path, kill_at=0) for _ in range(2)]
    assert [one.communicate(timeout=120)[0] for one in builders] == ["24\n", "24\n"]
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    cache, decoded, remarks = rebuild(demo_dataset, folder)
    assert (decoded, remarks) == (0, [])
    assert len(Journal(folder, "rgb").read()) == _lines(folder) == 24  # each was decoded once
    assert_same(cache, whole)


@pytest.mark.usefixtures("here")
def test_a_video_that_changes_while_it_is_decoded_is_left_out_until_it_rests(
    demo_folder: Path, tmp_path: Path
) -> None:
    clips = Path(shutil.copytree(demo_folder, tmp_path / "clips"))
    dataset = load_dataset(clips)
    path = next(video.path for video in dataset.videos if video.split == "train")
    content = path.read_bytes()
    files = dataset.files(tmp_path)
    path.write_bytes(content)  # the same, but who knows
    frozen = replace_files(dataset, files)
    cache = build_cache(frozen, size_px=SIZE_PX, directory=tmp_path / "cache")
    name = path.relative_to(clips).as_posix()
    assert cache.skipped == ((name, "was changed while it was decoded"),)
    again = build_cache(dataset, size_px=SIZE_PX, directory=tmp_path / "cache")
    assert again.directory == cache.directory
    assert (again.skipped, len(again)) == ((), 24)


def away(path: Path, _: pytest.MonkeyPatch) -> str:
    path.rename(path.with_suffix(".away"))
    return "was changed while it was decoded"


def failing_disk(path: Path, patch: pytest.MonkeyPatch) -> str:
    def fail(wanted: Path):
        if wanted == path:
            raise OSError(errno.EIO, "Input/output error")
        return original(wanted)

    original = opening._open_file
    patch.setattr(opening, "_open_file", fail)
    return "cannot be read (Input/output error)"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("fault", [away, failing_disk])
def test_what_the_machine_could_not_read_is_tried_again(
    demo_folder: Path, tmp_path: Path, fault: Callable[[Path, pytest.MonkeyPatch], str]
) -> None:
    clips = Path(shutil.copytree(demo_folder, tmp_path / "clips"))
    dataset = load_dataset(clips)
    path = next(video.path for video in dataset.videos if video.split == "train")
    frozen, remarks = replace_files(dataset, dataset.files(tmp_path)), []
    with pytest.MonkeyPatch.context() as patch:
        reason = fault(path, patch)
        cache = build_cache(
            frozen, size_px=SIZE_PX, directory=tmp_path / "cache", on_remark=remarks.append
        )
    name = path.relative_to(clips).as_posix()
    assert cache.skipped == ((name, reason),)
    assert len(remarks) == 1
    assert f"first {name} ({reason}); the next command tries them again" in remarks[0]
    with suppress(FileNotFoundError):
        path.with_suffix(".away").rename(path)
    again, decoded, _ = rebuild(dataset, cache.directory)
    assert again.directory == cache.directory
    assert (again.skipped, len(again), decoded) == ((), 24, 1)


@pytest.mark.usefixtures("here")
def test_what_was_decoded_before_the_videos_were_away_is_kept(
    demo_folder: Path, tmp_path: Path
) -> None:
    clips = Path(shutil.copytree(demo_folder, tmp_path / "clips"))
    dataset = load_dataset(clips)
    frozen = replace_files(dataset, dataset.files(tmp_path))
    lost = [video.path for video in dataset.videos if video.split == "val"]
    for path in lost:
        path.rename(path.with_suffix(".away"))
    with pytest.raises(UserError, match=r"in its val split; .* Run the same command again"):
        build_cache(frozen, size_px=SIZE_PX, directory=tmp_path / "cache")
    for path in lost:
        path.with_suffix(".away").rename(path)
    (folder,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    cache, decoded, _ = rebuild(dataset, folder)
    assert (len(cache), decoded) == (24, len(lost))


@pytest.mark.usefixtures("here")
def test_videos_that_are_broken_or_may_not_be_read_are_tried_once(
    demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = Path(shutil.copytree(demo_folder, tmp_path / "clips"))
    dataset = load_dataset(clips)
    broken, closed = [video.path for video in dataset.videos if video.split == "train"][:2]
    broken.write_bytes(b"no video")
    files = {**dataset.files(tmp_path), closed: FileContent("0" * 64, ())}
    closed.unlink()
    frozen = replace_files(dataset, files)
    cache = build_cache(frozen, size_px=SIZE_PX, directory=tmp_path / "cache")
    assert len(cache.skipped) == 2
    monkeypatch.delattr(cache_writer, "in_workers")
    again = build_cache(frozen, size_px=SIZE_PX, directory=tmp_path / "cache")
    assert again.skipped == cache.skipped


def replace_files(dataset: Dataset, files: dict) -> Dataset:
    class Frozen(Dataset):
        def files(self, *_: object):
            return files

    return Frozen(dataset.source, dataset.classes, dataset.videos)


@pytest.mark.usefixtures("here")
def test_damaged_flow_is_computed_again(demo_dataset: Dataset, copy: Path) -> None:
    pytest.importorskip("cv2")
    cache = build_flow(demo_dataset, ClipCache(copy))
    before = [cache.frames(video, "flow").copy() for video in range(len(cache))]
    for damage, name in [
        (flip_a_bit, "flow-dis-0.raw"),
        (cut_off, "flow-dis.npz"),
        (garbage, "flow.json"),
        (missing, "flow-dis-0.raw"),
    ]:
        damage(copy / name)
        remarks: list[str] = []
        opened = ClipCache(copy)
        assert opened.flow_method == "dis"
        again = build_flow(demo_dataset, opened, on_remark=remarks.append)
        assert len(remarks) == (name != "flow.json")
        for video, flow in enumerate(before):
            np.testing.assert_array_equal(again.frames(video, "flow"), flow)


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(256, size=(5, 8, 8, 3), dtype=np.uint8)
    first = append_frames(frames, tmp_path, "rgb")

    def broken():
        yield frames[0]
        raise VideoError(Path("a.mp4"), "broken")

    with pytest.raises(VideoError):
        append_frames(broken(), tmp_path, "rgb")
    with pytest.raises(ValueError, match="differ in size"):
        append_frames([frames[0], frames[1, :4]], tmp_path, "rgb")
    second = append_frames(frames[::-1], tmp_path, "rgb")
    assert second.offset == first.size_bytes
    assert is_whole(tmp_path, "rgb", first)
    assert not is_whole(tmp_path, "rgb", replace(second, offset=0))
    assert first.mean == pytest.approx((frames / 255).mean(axis=(0, 1, 2)), abs=1e-6)
