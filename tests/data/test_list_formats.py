"""Lists of paths or folders of frames, with labels: names, numbers, several, none."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_annotations import said, splits_of, write_files, write_frames, write_videos

from vidnas.data.datasets import load_dataset

CLASSES = ("abseiling", "dancing macarena")
LIST = {"train": 8, "val": 4}


def _list(root: Path, line: str, names: str = "{split}.csv", video: str = "clip {i}.mp4") -> Path:
    files = {}
    start = 0
    for split, count in LIST.items():
        numbers = range(start, start + count)
        start += count
        rows = [line.format(video=video.format(i=i), i=i % 2, name=CLASSES[i % 2]) for i in numbers]
        files[names.format(split=split)] = "\n".join(rows) + "\n"
        write_videos(root, *(video.format(i=i) for i in numbers))
    return write_files(root, files)


@pytest.mark.parametrize(
    ("line", "classes"),
    [
        ("{video} {i}", ("0", "1")),
        ("{video}\t{i}", ("0", "1")),
        ("{video},{i}", ("0", "1")),
        ("{video};{i}", ("0", "1")),
        ('"{video}" {i}', ("0", "1")),
        ("{video} {name}", CLASSES),
    ],
)
def test_a_list_of_paths_and_labels(tmp_path: Path, line: str, classes: tuple[str, ...]) -> None:
    root = _list(tmp_path, line)
    for source in (root, root / "train.csv", root / "val.csv"):
        dataset = load_dataset(source)
        assert dataset.classes == classes
        assert len(dataset.videos) == 12
        assert splits_of(dataset)["test"] == 4
        assert said(dataset, "is read as list")


def test_a_list_of_mmaction2_with_names_of_classes(tmp_path: Path) -> None:
    names = "kinetics_{split}_list_videos.txt"
    root = _list(tmp_path, "{video} {i}", names, video="run.mp4 dir/a mp4 {i}.mp4")
    for path in root.glob("run.mp4 dir"):
        (root / "videos_train").mkdir()
        path.rename(root / "videos_train" / path.name)
    write_files(root, {"classes.txt": "run\nwalk\n"})
    dataset = load_dataset(root)
    assert dataset.classes == ("run", "walk")
    assert said(dataset, "classes.txt names the classes")
    assert len(dataset.videos) == 12


def test_lists_of_splits_that_name_their_videos_alike(tmp_path: Path) -> None:
    """As mmaction2 lays them out, with a prefix of the paths for each split."""
    files = {}
    for split, count in LIST.items():
        files[f"{split}.txt"] = "".join(f"{i:04d}.mp4 {i % 2}\n" for i in range(count))
        write_videos(tmp_path, *(f"videos_{split}/{i:04d}.mp4" for i in range(count)))
    dataset = load_dataset(write_files(tmp_path, files))
    held_out = {v.path for v in dataset.videos if v.split == "test"}
    assert held_out == {tmp_path / "videos_val" / f"{i:04d}.mp4" for i in range(LIST["val"])}
    assert len({video.path for video in dataset.videos}) == 12


def test_a_video_in_the_folder_of_another_split_is_taken_last(tmp_path: Path) -> None:
    root = _list(tmp_path, "{video} {i}", video="train/{i}.mp4")
    for path in root.glob("*.csv"):
        path.write_text(path.read_text().replace("train/", ""))
    dataset = load_dataset(root)
    assert len(dataset.videos) == 12
    assert {video.path.parent.name for video in dataset.videos} == {"train"}


@pytest.mark.parametrize(
    ("name", "text", "classes"),
    [
        ("classInd.txt", "1 run\n2 walk\n", ("run", "walk")),  # from 1, while the list is from 0
        ("classids.json", '{"\\"walk\\"": 1, "run": 0}', ("run", "walk")),
        ("label_map_k2.txt", "run\nwalk\n", ("run", "walk")),
        ("labels.txt", "run,0\nwalk,1\n", ("run", "walk")),
        ("classes.txt", "run\n", ("0", "1")),
        ("classes.txt", "run\nrun\n", ("0", "1")),
        ("classes.txt", "run,0\nwalk,1\ncrawl,1\n", ("0", "1")),
    ],
)
def test_files_that_name_classes(
    tmp_path: Path, name: str, text: str, classes: tuple[str, ...]
) -> None:
    root = write_files(_list(tmp_path, "{video} {i}"), {name: text})
    assert load_dataset(root / "train.csv").classes == classes


@pytest.mark.parametrize("line", ["clip {i}.mp4 {label}", "clip {i}.mp4,{label}", "clip {i}.mp4"])
@pytest.mark.parametrize("name", ["labels.txt", "classes.txt", "class_list.txt"])
def test_a_list_of_clips_names_no_classes(tmp_path: Path, name: str, line: str) -> None:
    root = _list(tmp_path, "{video} {i}", "{split}.txt")
    text = "".join(line.format(i=i, label=i % 2) + "\n" for i in range(12))
    write_files(root, {name: text})
    assert load_dataset(root / "train.txt").classes == ("0", "1")
    if "label" in line:
        dataset = load_dataset(root / name)
        assert dataset.classes == ("0", "1")
        assert len(dataset.videos) == 12


def test_a_list_of_frame_folders_names_no_classes(tmp_path: Path) -> None:
    write_frames(tmp_path, *(f"v{i}" for i in range(12)))
    rows = "".join(f"v{i} 3 {i % 2}\n" for i in range(12))
    others = {"classes.txt": "".join(f"v{i}.mp4 {i % 2}\n" for i in range(12))}
    root = write_files(tmp_path, {"labels.txt": rows, **others})
    assert load_dataset(root / "labels.txt").classes == ("0", "1")


def test_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    write_videos(tmp_path, *(f"{i}.mp4" for i in range(36)))
    write_files(tmp_path, {"all.txt": "".join(f"{i}.mp4 {i % 12}\n" for i in range(36))})
    assert load_dataset(tmp_path / "all.txt").classes == tuple(map(str, range(12)))


def test_a_list_with_several_labels(tmp_path: Path) -> None:
    write_videos(tmp_path, *(f"{i}.mp4" for i in range(12)))
    rows = (f"{i}.mp4 {i % 3}{' 7' if i % 2 else ''}\n" for i in range(12))
    dataset = load_dataset(write_files(tmp_path, {"list.txt": "".join(rows)}) / "list.txt")
    assert dataset.multi_label
    assert dataset.classes == ("0", "1", "2", "7")
    assert dataset.videos[1].labels == (1, 3)


def test_unlabelled_lines_of_a_list_are_counted(tmp_path: Path) -> None:
    write_videos(tmp_path, *(f"{i}.mp4" for i in range(12)))
    rows = [f"{i}.mp4 {i % 2 if i < 10 else -1}" for i in range(12)]
    dataset = load_dataset(write_files(tmp_path, {"list.txt": "\n".join(rows)}) / "list.txt")
    assert len(dataset.videos) == 10
    assert said(dataset, "rows without a label (2)")


def test_what_is_unknown_of_several_labels_is_no_negative(tmp_path: Path) -> None:
    write_videos(tmp_path, *(f"{i}.mp4" for i in range(14)))
    rows = [f"{i}.mp4 {i % 3}{' 7' if i % 2 else ''}" for i in range(12)]
    write_files(tmp_path, {"list.txt": "\n".join([*rows, "12.mp4 -1", "13.mp4"])})
    dataset = load_dataset(tmp_path / "list.txt", format="list")
    assert dataset.multi_label and dataset.classes == ("0", "1", "2", "7")
    assert [video.path.stem for video in dataset.videos] == [str(i) for i in (*range(12), 13)]
    assert dataset.videos[-1].labels == ()
    assert said(dataset, "rows without a label (1)")


def test_a_list_of_frame_folders(tmp_path: Path) -> None:
    files = {}
    for split, numbers in (("train", range(8)), ("val", range(8, 12))):
        rows = [f"some class/v{i} 3 {i % 2}\n" for i in numbers]
        files[f"thing_{split}_list_rawframes.txt"] = "".join(rows)
        write_frames(tmp_path / "rawframes", *(f"some class/v{i}" for i in numbers))
    dataset = load_dataset(write_files(tmp_path, files))
    assert said(dataset, "is read as rawframes")
    assert len(dataset.videos) == 12
    assert all(video.path.is_dir() for video in dataset.videos)
