from __future__ import annotations

import itertools
import os
import pickle
import shutil
import signal
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vidnas.core import UserError
from vidnas.data import cache_folder, cache_writer, video_workers
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.cache_folder import default_directory
from vidnas.data.datasets import Dataset, Video, load_dataset
from vidnas.data.frame_table import read_index, write_index
from vidnas.data.reading import VideoError, read_video
from vidnas.data.splits import SPLITS
from vidnas.data.video_workers import in_workers


@pytest.fixture(scope="module")
def cache(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    directory = tmp_path_factory.mktemp("cache")
    return build_cache(load_dataset(demo_folder), size_px=32, directory=directory)


def test_the_cache_holds_every_video_as_it_is_decoded(
    cache: ClipCache, demo_dataset: Dataset
) -> None:
    assert len(cache) == len(demo_dataset.videos) == 24
    assert cache.classes == demo_dataset.classes
    assert cache.skipped == ()
    assert cache.typical_frames == 16
    for index, video in enumerate(demo_dataset.videos):
        np.testing.assert_array_equal(cache.frames(index), read_video(video.path, size_px=32)[0])
        assert (cache.targets[index],) == video.labels
        assert demo_dataset.folder / cache.paths[index] == video.path
    for split in SPLITS:
        expected = [i for i, v in enumerate(demo_dataset.videos) if v.split == split]
        assert cache.videos(split).tolist() == expected


def test_frames_are_a_view_that_cannot_be_written_to(cache: ClipCache) -> None:
    frames = cache.frames(0)
    assert np.shares_memory(frames, cache.frames(0))
    with pytest.raises(ValueError, match="read-only"):
        frames[0] = 0


def test_statistics_are_those_of_the_training_clips(cache: ClipCache) -> None:
    mean, std = cache.statistics()
    pixels = np.concatenate([cache.frames(i).reshape(-1, 3) for i in cache.videos("train")]) / 255
    np.testing.assert_allclose(mean.numpy(), pixels.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(std.numpy(), pixels.std(axis=0), atol=0.01)


def test_it_pickles_by_its_path(cache: ClipCache) -> None:
    pickled = pickle.dumps(cache)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(pickle.loads(pickled).frames(3), cache.frames(3))


def test_a_finished_cache_is_reused(cache: ClipCache, demo_dataset: Dataset) -> None:
    calls: list[tuple[int, int]] = []
    again = build_cache(
        demo_dataset,
        size_px=32,
        directory=cache.directory.parent,
        on_progress=lambda *counts: calls.append(counts),
    )
    assert again.directory == cache.directory
    assert not calls


def test_the_fingerprint_is_that_of_the_data(
    cache: ClipCache, demo_dataset: Dataset, demo_folder: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(demo_folder, moved)
    assert load_dataset(moved).fingerprint() == cache.fingerprint
    relabelled = replace(demo_dataset.videos[0], labels=(2,))
    other = replace(demo_dataset, videos=(relabelled, *demo_dataset.videos[1:]))
    assert other.fingerprint() != cache.fingerprint
    changed = moved / demo_dataset.videos[0].path.relative_to(demo_folder)
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    assert load_dataset(moved).fingerprint() != cache.fingerprint


@pytest.mark.usefixtures("here")
def test_videos_that_show_no_class_are_cached(demo_dataset: Dataset, tmp_path: Path) -> None:
    videos = tuple(replace(video, labels=()) for video in demo_dataset.videos)
    dataset = replace(demo_dataset, videos=videos, multi_label=True)
    cache = build_cache(dataset, size_px=16, directory=tmp_path)
    assert cache.targets.shape == (24, 3)
    assert not cache.targets.any()
    head, arrays = read_index(cache.directory / cache_writer.INDEX)
    arrays["labels"] = arrays["labels"].reshape(0)  # as earlier programs wrote it
    write_index(cache.directory / cache_writer.INDEX, head, arrays)
    assert ClipCache(cache.directory).targets.shape == (24, 3)


def test_two_builders_at_once_share_one_cache(demo_dataset: Dataset, tmp_path: Path) -> None:
    builders: set[int] = set()

    def build(number: int) -> ClipCache:
        return build_cache(
            demo_dataset,
            size_px=24,
            directory=tmp_path,
            on_progress=lambda *_: builders.add(number),
        )

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(build, range(2))
    assert len(builders) == 1
    assert first.directory == second.directory
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [first.directory]


def test_broken_videos_are_skipped_and_named(demo_folder: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(demo_folder, clips)
    training = [v.path for v in load_dataset(clips).videos if v.split == "train"]
    training[0].write_bytes(b"")
    training[1].write_bytes(b"no video")
    dataset = load_dataset(clips)
    calls: list[tuple[int, int]] = []
    cache = build_cache(
        dataset,
        size_px=32,
        directory=tmp_path / "cache",
        on_progress=lambda *counts: calls.append(counts),
    )
    assert [path for path, _ in cache.skipped] == [
        path.relative_to(clips).as_posix() for path in training[:2]
    ]
    assert "empty" in cache.skipped[0][1]
    assert len(cache) == 22
    assert calls == [(i, 24) for i in range(1, 25)]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda video: video.split == "val", "no readable clip in its val split"),
        (
            lambda video: video.split == "train" and video.labels == (0,),
            "no readable clip of class",
        ),
    ],
)
def test_too_few_readable_videos_leave_nothing_behind(
    demo_folder: Path, tmp_path: Path, broken: Callable[[Video], bool], words: str
) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(demo_folder, clips)
    for video in filter(broken, load_dataset(clips).videos):
        video.path.write_bytes(b"")
    with pytest.raises(UserError, match=words):
        build_cache(load_dataset(clips), size_px=16, directory=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda video: video.split == "val", "clip .*in its val split"),
        (lambda video: video.split == "test", "clip .*in its test split"),
        (lambda video: video.split == "train" and video.labels == (0,), r"class '\w+' to train on"),
    ],
)
def test_the_last_broken_video_of_a_split_or_class_ends_the_decoding(
    demo_dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Video], bool],
    words: str,
    multi_label: bool,
) -> None:
    first = [replace(v, path=_no_video(tmp_path)) for v in filter(broken, demo_dataset.videos)]
    others = [video for video in demo_dataset.videos if not broken(video)]
    dataset = replace(demo_dataset, videos=(*first, *others), multi_label=multi_label)
    opened: list[Path] = []
    stream = Video.stream
    monkeypatch.setattr(
        Video, "stream", lambda video, *args: opened.append(video.path) or stream(video, *args)
    )
    if multi_label and "class" in words:  # which leaves the others as they are
        assert len(build_cache(dataset, size_px=16, directory=tmp_path / "cache")) == len(others)
        return
    with pytest.raises(UserError, match=f"{words}; {len(first)} of {len(first)} videos that were"):
        build_cache(dataset, size_px=16, directory=tmp_path / "cache")
    assert len(opened) == len(first)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def _no_video(folder: Path) -> Path:
    path = folder / "broken.mp4"
    path.write_bytes(b"no video")
    return path


def test_a_disk_that_is_too_small(
    demo_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache_folder.shutil, "disk_usage", lambda _: usage(9, 8, 1_000_000))
    with pytest.raises(UserError, match=r"need about [\d.]+ MB, but 1 MB are free; .*VIDNAS_CACHE"):
        build_cache(demo_dataset, size_px=64, directory=tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_what_is_not_a_cache_is_rejected(cache: ClipCache, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no clip cache"):
        ClipCache(tmp_path)
    head, arrays = read_index(cache.directory / cache_writer.INDEX)
    write_index(tmp_path / cache_writer.INDEX, {**head, "version": 99}, arrays)
    with pytest.raises(UserError, match="version 99"):
        ClipCache(tmp_path)


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDNAS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    assert default_directory() == Path("caches/vidnas")
    monkeypatch.setenv("VIDNAS_CACHE", "mine")
    assert default_directory() == Path("mine")


def _crash(video: Video, size_px: int) -> int:
    if video.labels == (1,):
        os._exit(3)
    if video.labels == (2,):
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
    return size_px


_calls = itertools.count()


def _call_number(_: Video) -> int:
    return next(_calls)


def test_spans_of_one_file_are_read_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker then reads the index of the file once."""
    monkeypatch.setattr(video_workers, "available_cores", lambda: 1)
    videos = [Video(Path(name), (0,), "train", start_s=i) for i, name in enumerate("abacba")]
    numbers = dict(in_workers(_call_number, videos))
    assert sorted(numbers, key=numbers.__getitem__) == [0, 2, 5, 1, 4, 3]


def test_a_crash_of_the_decoder_concerns_one_video() -> None:
    videos = [Video(Path(f"{i}.mp4"), labels=(i,), split="train") for i in range(4)]
    outcomes = dict(in_workers(_crash, videos, [7] * 4))
    assert isinstance(outcomes[1], VideoError)
    assert outcomes[1].reason == "broke the decoder: the worker died with exit code 3"
    assert not outcomes[1].transient
    assert isinstance(outcomes[2], VideoError)
    assert outcomes[2].reason == "broke the decoder: the worker died with signal 9"
    assert outcomes[2].transient
    assert [outcomes[i] for i in (0, 3)] == [7, 7]
