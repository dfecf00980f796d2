"""Annotations as the makers of data sets publish them; the files here are invented."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from written_annotations import said, splits_of, write_files, write_frames, write_videos

from vidnas.core import UserError
from vidnas.data.datasets import load_dataset, read_source
from vidnas.data.formats import FORMATS, hmdb51, kinetics, ucf101
from vidnas.data.labelled import load_labelled

CLASSES = ("abseiling", "dancing macarena")


def _kinetics(root: Path) -> Path:
    rows = {"train": [], "val": [], "test": []}
    for split, label, i in [(s, c, i) for s in ("train", "val") for c in CLASSES for i in range(4)]:
        start = 10 * i
        rows[split].append(f'"{label}",-{split[0]}_{label[0]}{i}abc,{start},{start + 10},{split}')
        name = f"-{split[0]}_{label[0]}{i}abc_{start:06d}_{start + 10:06d}.mp4"
        write_videos(root, f"{split}/{label.replace(' ', '_')}/{name}")
    header = "label,youtube_id,time_start,time_end,split\n"
    for split in ("train", "val"):
        write_files(root, {f"kinetics-400_{split}.csv": header + "\n".join(rows[split]) + "\n"})
    test = "youtube_id,time_start,time_end,split\n--6bJUbfpnQ,17,27,test\n"
    return write_files(root, {"kinetics-400_test.csv": test})


@pytest.mark.parametrize("given", ["", "kinetics-400_val.csv", "kinetics-400_train.csv"])
def test_kinetics(tmp_path: Path, given: str) -> None:
    dataset = load_dataset(_kinetics(tmp_path) / given)
    assert dataset.classes == CLASSES
    assert said(dataset, "is read as kinetics", "youtube_id", "kinetics-400_train.csv")
    assert said(dataset, "rows without a label (1)")
    assert splits_of(dataset) == {"train": 6, "val": 2, "test": 8}  # no test labels: val tests
    for video in dataset.videos:
        assert dataset.classes[video.labels[0]].replace(" ", "_") == video.path.parent.name


def test_kinetics_with_missing_videos(tmp_path: Path) -> None:
    root = _kinetics(tmp_path)
    min((root / "train").rglob("*.mp4")).unlink()
    dataset = load_dataset(root)
    assert said(dataset, "1 of 16 files does not exist", "-t_a0abc_000000_000010")
    assert len(dataset.videos) == 15


def test_classes_that_lost_too_many_videos_are_left_out(tmp_path: Path) -> None:
    root = _kinetics(tmp_path)
    header = "label,youtube_id,time_start,time_end,split\n"
    for split in ("train", "val"):
        rows = "".join(f"zumba,z{split}{i},0,10,{split}\n" for i in range(9))
        path = root / f"kinetics-400_{split}.csv"
        path.write_text(path.read_text().replace(header, header + rows))
    write_videos(root, "zval3_000000_000010.mp4", "ztrain1_000000_000010.mp4")
    dataset = load_dataset(root)
    assert dataset.classes == CLASSES
    assert said(dataset, "16 of 34 files do not exist")
    assert said(dataset, "classes of which too few videos are there (1): zumba")
    assert ("zumba",) in {entry.labels for entry in read_source(root).entries}
    labelled, _ = load_labelled(root, dataset.classes)
    assert len(labelled.videos) == 8
    assert said(labelled, "Left out clips", "the model does not know (1): zumba.")
    with pytest.raises(UserError, match="has clips of abseiling, which the model does not know"):
        load_labelled(root, ("dancing macarena",))
    shutil.rmtree(root / "val")
    with pytest.raises(UserError, match="has clips of zumba, which the model does not know"):
        load_labelled(root, dataset.classes)


def test_videos_elsewhere_are_named_by_an_option(tmp_path: Path) -> None:
    root = _kinetics(tmp_path / "all")
    (tmp_path / "csv").mkdir()
    for path in root.glob("*.csv"):
        path.rename(tmp_path / "csv" / path.name)
    with pytest.raises(UserError, match=r"none of the 16 videos are there.*--video-folder"):
        load_dataset(tmp_path / "csv")
    assert len(load_dataset(tmp_path / "csv", video_folder=root).videos) == 16
    with pytest.raises(UserError, match="is no folder"):
        load_dataset(tmp_path / "csv", video_folder=tmp_path / "none")


def test_videos_beside_a_folder_of_annotations_are_found(tmp_path: Path) -> None:
    root = _kinetics(tmp_path)
    (tmp_path / "annotations").mkdir()
    for path in root.glob("*.csv"):
        path.rename(tmp_path / "annotations" / path.name)
    for source in (root, root / "annotations", root / "annotations" / "kinetics-400_val.csv"):
        assert len(load_dataset(source).videos) == 16


def _hmdb(root: Path, annotations: str = "testTrainMulti_7030_splits") -> Path:
    for label in ("brush_hair", "climb_stairs", "climb"):
        names = [f"Film{i}_{label}_u_nm_np1_ba_goo_{i}.avi" for i in range(9)]
        write_videos(root, *(f"hmdb51_org/{label}/{name}" for name in names))
        for split in (1, 2, 3):
            lines = [f"{name} {(i + split) % 3} " for i, name in enumerate(names)]
            name = f"{annotations}/{label}_test_split{split}.txt"
            write_files(root, {name: "\n".join(lines) + "\n"})
    return root


def test_hmdb51(tmp_path: Path) -> None:
    root = _hmdb(tmp_path)
    dataset = load_dataset(root)
    assert dataset.classes == ("brush_hair", "climb", "climb_stairs")
    assert splits_of(dataset)["test"] == 9
    assert len(dataset.videos) == 18
    assert said(dataset, "split 1 of 1, 2, 3", "_test_split3.txt")
    assert said(dataset, "split 1 does not use (9)")
    assert all(v.path.parent.name == dataset.classes[v.labels[0]] for v in dataset.videos)
    second = load_dataset(root / "testTrainMulti_7030_splits" / "climb_test_split2.txt")
    assert second.classes == dataset.classes
    tests = [{v.path for v in d.videos if v.split == "test"} for d in (dataset, second)]
    assert not tests[0] & tests[1]


def _ucf(root: Path) -> Path:
    names = [
        f"{label}/v_{label}_g{group:02d}_c{clip:02d}.avi"
        for label in ("Archery", "YoYo")
        for group in range(1, 9)
        for clip in (1, 2)
    ]
    write_videos(root, *(f"UCF-101/{name}" for name in names))
    files = {"classInd.txt": "1 Archery\r\n2 YoYo\r\n"}
    for split, first in (("01", 1), ("02", 3)):
        tested = {f"_g{first:02d}_", f"_g{first + 1:02d}_"}
        test = [name for name in names if any(group in name for group in tested)]
        train = [f"{name} {1 + ('YoYo' in name)}" for name in names if name not in test]
        files[f"trainlist{split}.txt"] = "\r\n".join(train) + "\r\n"
        files[f"testlist{split}.txt"] = "\r\n".join(test) + "\r\n"
    return write_files(root, {f"ucfTrainTestlist/{name}": text for name, text in files.items()})


def test_ucf101(tmp_path: Path) -> None:
    root = _ucf(tmp_path)
    dataset = load_dataset(root)
    assert dataset.classes == ("Archery", "YoYo")
    assert splits_of(dataset)["test"] == 8
    assert len(dataset.videos) == 32
    assert said(dataset, "ucf101", "trainlist01.txt")
    homes: dict[str | None, set[str]] = {}
    for video in dataset.videos:
        homes.setdefault(video.group, set()).add(video.split)
    assert all(len(own) == 1 for own in homes.values())
    second = load_dataset(root / "ucfTrainTestlist" / "testlist02.txt")
    assert {v.path.name[10:13] for v in second.videos if v.split == "test"} >= {"g03"}


def _charades(root: Path) -> Path:
    header = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,"
    header += "length\n"
    for split, count in (("train", 12), ("test", 4)):
        rows = []
        for i in range(count):
            actions = [f"c092 11.90 {21 + i}.20", "c147 0.00 12.60", "c092 0.00 3.00"][: i % 4]
            name = f"{split[:2].upper()}{i:03d}"
            rows.append(
                f'{name},S{i % 6},Kitchen,6,7,Yes,"He said ""no"", then left.",cup;towel,"A, b.",'
                f"{';'.join(actions)},{30 + i}.5"
            )
            write_videos(root, f"Charades_v1_480/{name}.mp4")
        write_files(root, {f"Charades/Charades_v1_{split}.csv": header + "\n".join(rows) + "\n"})
    return root / "Charades"


def test_charades(tmp_path: Path) -> None:
    source = _charades(tmp_path)
    dataset = load_dataset(source)
    assert dataset.multi_label
    assert dataset.classes == ("c092", "c147")
    assert Counter(video.labels for video in dataset.videos) == {(): 4, (0,): 4, (0, 1): 8}
    assert splits_of(dataset)["test"] == 4
    assert said(dataset, "Charades_v1_classes.txt is not beside")
    write_files(
        source, {"Charades_v1_classes.txt": "c092 Holding a cup\nc147 Someone is awakening\n"}
    )
    named = load_dataset(source / "Charades_v1_test.csv")
    assert named.classes == ("Holding a cup", "Someone is awakening")
    assert len(named.videos) == 16


def test_charades_rejects_what_is_no_action(tmp_path: Path) -> None:
    text = "id,actions,length\nAAAAA,c092 11.90,30\n"
    with pytest.raises(UserError, match=r"line 2: the actions 'c092 11\.90' are not of the form"):
        read_source(write_files(tmp_path, {"train.csv": text}) / "train.csv")


def test_lists_of_frames_with_labels(tmp_path: Path) -> None:
    header = "original_vido_id video_id frame_id path labels\n"
    files = {}
    for split, names in (("train", "ABCDEF"), ("val", "GH")):
        lines = []
        for number, name in enumerate(names):
            for frame, labels in ((0, '""'), (1, '"0"'), (2, '"0,147"' if number % 2 else '"12"')):
                lines.append(f"{name} {number} {frame} {name}/{name}-{frame + 1:06d}.jpg {labels}")
        files[f"{split}.csv"] = header + "\n".join(lines) + "\n"
        write_frames(tmp_path / "frames", *names)
    dataset = load_dataset(write_files(tmp_path, files) / "val.csv")
    assert dataset.multi_label
    assert dataset.classes == ("c000", "c012", "c147")
    assert splits_of(dataset)["test"] == 2
    assert {video.path.name for video in dataset.videos} == set("ABCDEFGH")
    assert {dataset.names(v.labels) for v in dataset.videos} == {"c000, c012", "c000, c147"}


def test_folders_of_frames_that_splits_number_alike(tmp_path: Path) -> None:
    files = {}
    for split, numbers in (("train", range(8)), ("validation", range(4))):
        files[f"labels/jester-v1-{split}.csv"] = "".join(f"{i};{'ab'[i % 2]}\n" for i in numbers)
        write_frames(tmp_path / split, *(f"{i}" for i in numbers))
    dataset = load_dataset(write_files(tmp_path, files) / "labels", video_folder=tmp_path)
    held_out = {v.path for v in dataset.videos if v.split == "test"}
    assert held_out == {tmp_path / "validation" / str(i) for i in range(4)}
    assert len({video.path for video in dataset.videos}) == 12


def test_something_something(tmp_path: Path) -> None:
    templates = ["Holding [something] next to [something]", "Pushing [something] (and [part])"]
    items: dict[str, list[dict[str, object]]] = {"train": [], "validation": []}
    for i in range(14):
        split = "train" if i < 10 else "validation"
        items[split].append(
            {
                "id": str(78687 + i),
                "label": "holding potato next to vicks",
                "template": templates[i % 2],
                "placeholders": ["potato", "vicks"],
            }
        )
        write_videos(tmp_path, f"20bn-something-something-v2/{78687 + i}.webm")
    prefix = "labels/something-something-v2-"
    labels = {"Holding something next to something": "0", "Pushing something (and part)": "1"}
    files = {f"{prefix}{split}.json": json.dumps(own) for split, own in items.items()}
    files[f"{prefix}labels.json"] = json.dumps(labels)
    files[f"{prefix}test.json"] = json.dumps([{"id": "1420"}, {"id": "1421"}])
    files["labels/test-answers.csv"] = "1420;Holding something next to something\n"
    root = write_files(tmp_path, files)
    for source in (root, root / "labels", root / f"{prefix}validation.json"):
        dataset = load_dataset(source)
        assert dataset.classes == tuple(labels)
        assert len(dataset.videos) == 14
        assert splits_of(dataset)["test"] == 4
        assert said(dataset, "rows without a label (2)")


def test_jester(tmp_path: Path) -> None:
    files = {
        "jester-v1-train.csv": "".join(
            f"{i};{'Drumming Fingers' if i % 2 else 'No gesture'}\n" for i in range(10)
        ),
        "jester-v1-validation.csv": "10;No gesture\n11;Drumming Fingers\n",
        "jester-v1-test.csv": "12\n13\n",
        "jester-v1-labels.csv": "Drumming Fingers\nNo gesture\n",
    }
    write_frames(tmp_path / "20bn-jester-v1", *map(str, range(14)))
    dataset = load_dataset(write_files(tmp_path, files))
    assert dataset.classes == ("Drumming Fingers", "No gesture")
    assert len(dataset.videos) == 12
    assert all(video.path.is_dir() for video in dataset.videos)
    assert splits_of(dataset)["test"] == 2


def test_moments_in_time(tmp_path: Path) -> None:
    classes = ("adult+female+singing", "asking")
    files = {"moments_categories.txt": "adult+female+singing,0\nasking,1\n"}
    for split, folder, count in (("training", "training", 8), ("validation", "validation", 4)):
        rows = []
        for i in range(count):
            name = f"{classes[i % 2]}/yt-{split}{i}.mp4"
            rows.append(f"{name},{classes[i % 2]},{3 + i},1")
            write_videos(tmp_path, f"{folder}/{name}")
        files[f"{split}Set.csv"] = "\n".join(rows) + "\n"
    dataset = load_dataset(write_files(tmp_path, files))
    assert dataset.classes == classes
    assert len(dataset.videos) == 12
    assert splits_of(dataset)["test"] == 4
    assert load_dataset(tmp_path / "validationSet.csv").videos == dataset.videos


def test_activitynet(tmp_path: Path) -> None:
    database: dict[str, object] = {}
    for i in range(12):
        spans = [
            {"segment": [0.5, 4.25 + i], "label": "Long jump"},
            {"segment": [10.0, 12], "label": "Shot put" if i % 2 else "Long jump"},
        ]
        subset = "training" if i < 8 else "validation"
        database[f"sJxn1_{i}"] = {"duration": 50.0, "subset": subset, "annotations": spans}
        write_videos(tmp_path, f"videos/{'v_' if i % 2 else ''}sJxn1_{i}.mp4")
    database["hidden"] = {"duration": 9.0, "subset": "testing", "annotations": []}
    taxonomy = [{"nodeName": "x" * 100, "nodeId": i, "parentName": "y"} for i in range(2000)]
    content = {"taxonomy": taxonomy, "version": "VERSION 1.3", "database": database}
    root = write_files(tmp_path, {"activity_net.v1-3.min.json": json.dumps(content)})
    dataset = load_dataset(root)
    assert dataset.classes == ("Long jump", "Shot put")
    assert len(dataset.videos) == 24
    assert (dataset.videos[0].start_s, dataset.videos[0].end_s) == (0.5, 4.25)
    assert splits_of(dataset)["test"] == 8
    homes: dict[Path, set[str]] = {}
    for video in dataset.videos:
        homes.setdefault(video.path, set()).add(video.split)
    assert all(len(own) == 1 for own in homes.values())
    database["bad"] = {"subset": "training", "annotations": [{"segment": [3, 1], "label": "x"}]}
    (tmp_path / "bad.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="the video 'bad' is not described"):
        load_dataset(tmp_path / "bad.json")


def test_a_format_can_be_asked_for(tmp_path: Path) -> None:
    root = _ucf(tmp_path) / "ucfTrainTestlist"
    asked = load_dataset(root / "trainlist01.txt", format="list")
    assert asked.classes == ("Archery", "YoYo")  # named by classInd.txt
    assert len(asked.videos) == 24
    with pytest.raises(UserError, match="does not name the columns youtube_id"):
        load_dataset(root / "trainlist01.txt", format="kinetics")


def test_two_data_sets_in_one_folder_are_ambiguous(tmp_path: Path) -> None:
    _kinetics(tmp_path)
    write_files(tmp_path, {"train.csv": "1;a\n2;b\n"})
    with pytest.raises(UserError, match=r"as jester or as kinetics; choose one with --format"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path, format="kinetics").videos) == 16


@pytest.mark.parametrize("format", [format for format in FORMATS if format.published])
def test_every_published_format_explains_a_wrong_source(tmp_path: Path, format: object) -> None:
    assert isinstance(format, type(FORMATS[0]))
    write_files(tmp_path, {"a.txt": "nothing of the kind\n"})
    assert not format.recognises(tmp_path)
    assert not format.recognises(tmp_path / "a.txt")
    for source in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(UserError):
            format.read(source, None)


def test_every_format_has_a_section_in_the_documentation() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "data-formats.md"
    headings = [
        line for line in page.read_text(encoding="utf-8").splitlines() if line[:4] == "### "
    ]
    assert [line.split("`")[1] for line in headings[:2]] == ["folders", "frames"]
    assert {line.split("`")[1] for line in headings} == {format.name for format in FORMATS}


@pytest.mark.shared_data
def test_every_line_of_the_real_files(shared_folder: Path) -> None:
    annotations = shared_folder / "annotations"
    rows = list(kinetics.parse(annotations / "kinetics" / "kinetics-400_val.csv"))
    assert len(rows) == 19_906
    assert len({row.labels for row in rows}) == 400
    assert {row.split for row in rows} == {"val"}
    assert rows[0].video == "0wR5jVB-WPk_000417_000427"
    hidden = list(kinetics.parse(annotations / "kinetics" / "kinetics-400_test.csv"))
    assert (len(hidden), {row.labels for row in hidden}) == (38_685, {()})

    hmdb = annotations / "hmdb51"
    for split in (1, 2, 3):
        files = sorted(hmdb.glob(f"*_test_split{split}.txt"))
        own = [row for path in files for row in hmdb51.parse(path)]
        assert (len(files), len(own)) == (51, 6766)
        assert Counter(row and row.split for row in own) == {
            "train": 3570,
            "test": 1530,
            None: 1666,
        }
        named = {path.name.removesuffix(f"_test_split{split}.txt") for path in files}
        assert {row.labels[0] for row in own if row} == named

    ucf = annotations / "ucf101"
    counts = {
        name: len(list(ucf101.parse(ucf / f"{name}.txt")))
        for number in (1, 2, 3)
        for name in (f"trainlist0{number}", f"testlist0{number}")
    }
    assert counts == {
        "trainlist01": 9537,
        "testlist01": 3783,
        "trainlist02": 9586,
        "testlist02": 3734,
        "trainlist03": 9624,
        "testlist03": 3696,
    }


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["kinetics", "hmdb51", "ucf101"])
def test_real_files_are_recognised_and_their_videos_missed(shared_folder: Path, name: str) -> None:
    folder = shared_folder / "annotations" / name
    for source in (folder, sorted(folder.glob("*[0-9lt].[ct][sx][vt]"))[0]):
        assert [f.name for f in FORMATS if f.published and f.recognises(source)] == [name]
        with pytest.raises(UserError, match=r"none of the .* videos are there.*--video-folder"):
            load_dataset(source)
