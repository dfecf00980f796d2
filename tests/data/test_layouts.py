"""Folders of videos as people have them: which layout they have, and what is not used."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidnas.core import UserError
from vidnas.data.check import check_dataset
from vidnas.data.datasets import Dataset, load_dataset, read_source


def _put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(os.fsencode(path))
    return root


def _clips(root: Path, *folders: str, count: int = 4) -> Path:
    return _put(root, *(f"{folder}/{i}.mp4" for folder in folders for i in range(count)))


def _said(dataset: Dataset, *words: str) -> bool:
    return any(all(word in remark for word in words) for remark in dataset.remarks)


def _splits(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(video.split for video in dataset.videos))


SPLIT_FOLDERS = ("train/run", "train/walk", "val/run", "val/walk", "test/run", "test/walk")


@pytest.mark.parametrize(
    "beside",
    [
        "__MACOSX/train/._0.mp4",
        "__MACOSX/train/run/0.mp4",
        ".git/0.mp4",
        ".Trash-1000/run/0.mp4",
        "@eaDir/run/0.mp4",
        "lost+found/0.mp4",
        "$RECYCLE.BIN/run/0.mp4",
        "System Volume Information/0.mp4",
        "Thumbs.db",
        "docs/readme.txt",
        "study/study.db",
    ],
)
def test_split_folders_among_what_systems_leave(tmp_path: Path, beside: str) -> None:
    dataset = load_dataset(_put(_clips(tmp_path, *SPLIT_FOLDERS), beside))
    assert dataset.classes == ("run", "walk")
    assert _splits(dataset) == {"train": 8, "val": 8, "test": 8}
    assert _said(
        dataset,
        "is read as folders: folders for test, train and val, and in them folders of videos, one "
        "per class",
    )


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (("train", "eval"), {"train", "val", "test"}),
        (("Training", "Validation", "Testing"), {"train", "val", "test"}),
        (("videos_train", "videos_val", "videos_test"), {"train", "val", "test"}),
        (("train_256", "val_256", "test_256"), {"train", "val", "test"}),
        (("trainset", "devset", "testset"), {"train", "val", "test"}),
    ],
)
def test_split_folders_by_other_names(
    tmp_path: Path, names: tuple[str, ...], given: set[str]
) -> None:
    folders = [f"{name}/{label}" for name in names for label in ("run", "walk")]
    dataset = load_dataset(_clips(tmp_path, *folders))
    assert dataset.classes == ("run", "walk")
    assert set(_splits(dataset)) == given


def test_a_folder_that_is_no_split_is_left_out_by_name(tmp_path: Path) -> None:
    folder = _clips(tmp_path, *SPLIT_FOLDERS, "extras/more", count=4)
    dataset = load_dataset(folder)
    assert dataset.classes == ("run", "walk")
    assert _said(dataset, "extras is left out (4 clips): it is no split")


def test_splits_within_class_folders(tmp_path: Path) -> None:
    folders = [f"{c}/{s}" for c in ("run", "walk") for s in ("train", "val", "test")]
    dataset = load_dataset(_clips(tmp_path, *folders))
    assert dataset.classes == ("run", "walk")
    assert _splits(dataset) == {"train": 8, "val": 8, "test": 8}
    assert {video.split for video in dataset.videos if video.path.parent.name == "val"} == {"val"}


def test_a_folder_around_the_splits_is_entered(tmp_path: Path) -> None:
    dataset = load_dataset(_clips(tmp_path, *(f"unpacked/{name}" for name in SPLIT_FOLDERS)))
    assert dataset.classes == ("run", "walk")
    assert _said(dataset, "all in unpacked")


def test_a_split_unpacked_into_a_folder_of_its_name(tmp_path: Path) -> None:
    folders = (f"{s}/{s}/{c}" for s in ("train", "val", "test") for c in ("run", "walk"))
    assert load_dataset(_clips(tmp_path, *folders)).classes == ("run", "walk")


def test_deep_folders_belong_to_their_class(tmp_path: Path) -> None:
    folder = _clips(tmp_path, "run/monday/early", "run/tuesday", "walk/monday", count=3)
    dataset = load_dataset(folder)
    assert dataset.classes == ("run", "walk")
    assert [video.labels for video in dataset.videos].count((0,)) == 6


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("car", "bus", "train"), "'train' is called like a split.*bus and car.*rename it"),
        (("car/a", "bus/a", "train/a"), "'train' is called like a split"),
        (("train/car", "train/train", "val/car", "val/train"), "train/train is called like"),
        (("train", "val"), "no folders for classes"),
        (
            ("rgb/train/a", "rgb/val/a", "flow/train/a", "flow/val/a"),
            "flow and rgb have folders for splits.*give one of them",
        ),
    ],
)
def test_an_ambiguous_layout_is_refused_with_a_cure(
    tmp_path: Path, folders: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        load_dataset(_clips(tmp_path, *folders))


def test_test_videos_without_classes_are_left_out_by_name(tmp_path: Path) -> None:
    dataset = load_dataset(_clips(tmp_path, "train/run", "train/walk", "test"))
    assert dataset.classes == ("run", "walk")
    assert _said(dataset, "test is left out (4 clips): there are no folders for classes")


def test_our_own_folders_inside_the_clips_change_nothing(tmp_path: Path) -> None:
    folder = _clips(tmp_path, "run", "walk")
    before = load_dataset(folder)
    _put(folder, "study/study.db", "study/states/3.safetensors", "study/best/model.json")
    _put(folder, "out/model.json", "out/weights.safetensors", ".cache/index.json")
    _put(folder, "caches/a1/index.json", "caches/a1/frames.rgb")
    after = load_dataset(folder)
    assert after == before
    assert after.fingerprint() == before.fingerprint()


def test_a_class_folder_with_an_index_of_its_own_is_a_class(tmp_path: Path) -> None:
    folder = _put(_clips(tmp_path, "run", "walk/day1"), "walk/index.json", "run/model.json")
    assert load_dataset(folder).classes == ("run", "walk")


def test_linked_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    pool = _clips(tmp_path / "pool", "run", "walk", "deep/er")
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "run").symlink_to(pool / "run")
    (clips / "walk").symlink_to(pool / "walk", target_is_directory=True)
    (pool / "walk" / "round").symlink_to(pool / "walk")
    (pool / "run" / "self").symlink_to(pool / "run" / "self")
    (pool / "run" / "gone.mp4").symlink_to(pool / "nothing.mp4")
    dataset = load_dataset(clips)
    assert len(dataset.videos) == 8
    assert _said(dataset, "cannot be read (3)", "round is a link to a folder that it lies in")
    assert _said(dataset, "gone.mp4 is a broken link", "self is out of reach")


@pytest.mark.parametrize(
    "suffix",
    (
        *("h264", "h265", "y4m", "mxf", "m2v", "divx", "f4v", "mjpeg", "dav", "3gp", "3g2", "rm"),
        *("rmvb", "qt", "ogm", "m1v", "mpv", "mp4v", "amv", "MP4", "WebM", "m2t", "hevc", "TS"),
    ),
)
def test_videos_by_suffix(tmp_path: Path, suffix: str) -> None:
    names = (f"{label}/{i}.{suffix}" for label in ("run", "walk") for i in range(3))
    assert len(load_dataset(_put(tmp_path, *names)).videos) == 6


def test_what_is_not_used_is_counted_and_named(tmp_path: Path) -> None:
    folder = _clips(tmp_path, "run", "walk")
    _put(folder, "loose1.mp4", "loose2.avi", "run/a.xyz", "walk/notes.txt", "walk/thumb.jpg")
    _put(folder, *(f"walk/{i}.bin" for i in range(9)))
    (folder / "empty" / "deeper").mkdir(parents=True)
    dataset = load_dataset(folder)
    assert len(dataset.videos) == 8
    assert _said(dataset, "clips beside the folders of classes (2)", "loose1.mp4 and loose2.avi")
    assert _said(dataset, "by their suffix (11)", "run/a.xyz", "and 8 more")
    assert _said(dataset, "folders without videos (1): empty")


def test_nothing_found_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no clips were found.*by their suffix \(2\): a/1\.xyz"):
        load_dataset(_put(tmp_path, "a/1.xyz", "b/1.xyz"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named_with_rights(tmp_path: Path) -> None:
    folder = _clips(tmp_path, "run", "walk", "walk/locked")
    (folder / "walk/locked").chmod(0)
    (folder / "run/0.mp4").chmod(0)
    try:
        dataset = load_dataset(folder)
    finally:
        (folder / "walk/locked").chmod(0o755)
    assert len(dataset.videos) == 7
    assert _said(dataset, "locked", "Permission denied")
    assert _said(dataset, "0.mp4", "permission denied")


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _clips(tmp_path, "run", "walk", "walk/locked")
    listed = os.scandir
    allowed = os.access

    def scandir(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).name != "0.mp4" and allowed(path, mode)
    )
    dataset = load_dataset(folder)
    assert len(dataset.videos) == 6
    assert _said(dataset, "locked: Permission denied")
    assert _said(dataset, "Left out clips (2)", "run/0.mp4 cannot be read: permission denied")


def test_folders_of_frames(tmp_path: Path) -> None:
    for label in ("run", "walk"):
        for video in range(4):
            names = (f"{label}/v{video}/img_{i:05d}.jpg" for i in range(3))
            _put(tmp_path, *names)
    dataset = load_dataset(tmp_path)
    assert dataset.classes == ("run", "walk")
    assert {video.path.parent.name for video in dataset.videos} == {"run", "walk"}
    assert all(video.path.is_dir() for video in dataset.videos)
    assert _said(dataset, "read as frames")


def test_folders_of_frames_are_checked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("run", "walk"):
        for video in range(4):
            folder = tmp_path / label / f"v{video}"
            folder.mkdir(parents=True)
            for frame in range(2):
                image = rng.integers(256, size=(16, 16, 3), dtype=np.uint8)
                assert cv2.imwrite(str(folder / f"{frame}.png"), image)
    report = check_dataset(load_dataset(tmp_path))
    assert report.problems == ()
    assert report.counts["train"] == (2, 2)


def test_folders_of_frames_in_splits(tmp_path: Path) -> None:
    names = [
        f"{split}/{label}/v{video}/{i}.png"
        for split in ("train", "val", "test")
        for label in ("run", "walk")
        for video in range(3)
        for i in range(2)
    ]
    dataset = load_dataset(_put(tmp_path, *names))
    assert dataset.classes == ("run", "walk")
    assert _splits(dataset) == {"train": 6, "val": 6, "test": 6}


def test_thumbnails_beside_videos_are_no_videos(tmp_path: Path) -> None:
    folder = _put(_clips(tmp_path, "run", "walk"), *(f"run/small/{i}.jpg" for i in range(5)))
    dataset = load_dataset(folder)
    assert len(dataset.videos) == 8
    assert _said(dataset, "images (5)")


def test_class_names_are_one_unicode_form(tmp_path: Path) -> None:
    folder = _clips(tmp_path, "caf\u00e9", "cafe\u0301", "tea", count=3)
    dataset = load_dataset(folder)
    assert dataset.classes == ("caf\u00e9", "tea")
    assert len(dataset.videos) == 9
    assert _said(dataset, "Unicode")


@pytest.mark.parametrize("other", ["left", "Left ", " LEFT", "\uff2ceft"])
def test_classes_that_look_alike_are_said(tmp_path: Path, other: str) -> None:
    dataset = load_dataset(_clips(tmp_path, "Left", other, "right"))
    assert len(dataset.classes) == 3
    assert _said(dataset, "look alike", "'Left'", f"'{other}'")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"wal\xff", r"wal\\udcff' is not valid UTF-8"),
        (b"wa\x1b[31mlk", r"wa\\x1b\[31mlk' has control characters"),
        (b"a\nb", r"a\\nb' has control characters"),
    ],
)
def test_a_class_name_that_cannot_be_kept_is_refused(
    tmp_path: Path, name: bytes, words: str
) -> None:
    folder = _clips(tmp_path, "run", os.fsdecode(name))
    with pytest.raises(UserError, match=words) as caught:
        load_dataset(folder)
    str(caught.value).encode()
    assert "\x1b" not in str(caught.value)


def test_a_file_name_that_cannot_be_kept_is_left_out_by_name(tmp_path: Path) -> None:
    folder = _clips(tmp_path, "run", "walk", count=5)
    (folder / "run/0.mp4").rename(folder / "run" / os.fsdecode(b"0\xff.mp4"))
    (folder / "run/1.mp4").rename(folder / "run/1\n.mp4")
    dataset = load_dataset(folder)
    assert len(dataset.videos) == 9
    assert _said(dataset, "Left out clips (1)", r"0\udcff.mp4 is not valid UTF-8")


def test_a_source_whose_path_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    folder = _clips(tmp_path / os.fsdecode(b"clips\xff"), "run", "walk")
    with pytest.raises(UserError, match=r"clips\\udcff is not valid UTF-8; rename"):
        load_dataset(folder)


def test_one_class_is_enough_to_be_read(tmp_path: Path) -> None:
    reading = read_source(_clips(tmp_path, "run"))
    assert {entry.labels for entry in reading.entries} == {("run",)}


def test_an_unknown_format_lists_all(tmp_path: Path) -> None:
    folder = _clips(tmp_path, "run", "walk")
    with pytest.raises(UserError, match=r"did you mean folders.*folders, csv, .*ucf101"):
        load_dataset(folder, format="folder")
    assert load_dataset(folder, format="folders") == load_dataset(folder)


@pytest.mark.parametrize("content", [b"\x00\x01\x02", b"once upon a time", b""])
def test_a_file_of_no_known_format_lists_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clips.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"format is not known; give a folder.*a CSV.*kinetics"):
        load_dataset(path)
