from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vidnas.core import UserError
from vidnas.data import datasets
from vidnas.data.datasets import Dataset, load_dataset
from vidnas.data.formats import Entry, Format, Reading
from vidnas.data.labelled import load_labelled
from vidnas.data.splits import SPLITS

MakeFolder = Callable[[dict[str, int]], Path]


def _table(folder: Path, text: str) -> Path:
    for index in range(12):
        (folder / f"{index}.mp4").write_bytes(b"x")
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def _rows(columns: str, *cells: str) -> str:
    """Twelve videos of two classes, six each, and one further cell a row."""
    extra = [f",{cell}" for cell in cells] or [""] * 12
    rows = [f"{i}.mp4,{'ab'[i % 2]}{extra[i]}" for i in range(12)]
    return "\n".join([columns, *rows]) + "\n"


def _counts(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(video.split for video in dataset.videos))


def test_a_folder_of_class_folders(make_folder: MakeFolder) -> None:
    folder = make_folder({"walk": 20, "run": 20, "empty": 0})
    (folder / "run" / "notes.txt").write_text("not a video")
    (folder / "run" / "._00.mp4").write_text("what a Mac leaves behind")
    dataset = load_dataset(folder)
    assert dataset.classes == ("run", "walk")
    assert _counts(dataset) == {"train": 28, "val": 6, "test": 6}
    assert [video.labels for video in dataset.videos] == [(0,)] * 20 + [(1,)] * 20
    for split in SPLITS:
        labels = [video.labels for video in dataset.videos if video.split == split]
        assert labels.count(0) == labels.count(1)
    assert any("empty" in remark for remark in dataset.remarks)


def test_drawn_splits_depend_on_the_seed_only(make_folder: MakeFolder) -> None:
    folder = make_folder({"walk": 20, "run": 20})
    assert load_dataset(folder, seed=3) == load_dataset(folder, seed=3)
    assert load_dataset(folder, seed=3) != load_dataset(folder, seed=4)


def test_class_folders_in_split_folders(tmp_path: Path) -> None:
    for split, count in (("Training", 3), ("validation", 2), ("test", 1)):
        for name in ("run", "walk"):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(count):
                (tmp_path / split / name / f"{index}.avi").write_bytes(b"x")
    dataset = load_dataset(tmp_path)
    assert dataset.classes == ("run", "walk")
    assert _counts(dataset) == {"train": 6, "val": 4, "test": 2}


def test_a_table_with_every_column(tmp_path: Path) -> None:
    splits = ["train", "train", "train", "Val", "test", "testing"] * 2
    cells = [f"{split},g{i},{i},{i + 0.5}" for i, split in enumerate(splits)]
    path = _table(tmp_path, "\ufeff" + _rows("path, label,split,group,start_s,end_s", *cells))
    dataset = load_dataset(path)
    assert _counts(dataset) == {"train": 6, "val": 2, "test": 4}
    video = dataset.videos[3]
    assert (video.path, video.labels, video.split) == (tmp_path / "3.mp4", (1,), "val")
    assert (video.group, video.start_s, video.end_s) == ("g3", 3.0, 3.5)


def test_a_column_that_is_not_ours_is_remarked_on_once(tmp_path: Path) -> None:
    dataset = load_dataset(_table(tmp_path, _rows("path,label,subject", *["s1"] * 12)))
    assert [remark for remark in dataset.remarks if "subject" in remark] == [
        f"{tmp_path / 'labels.csv'}: unused columns: subject."
    ]


def test_groups_stay_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{i % 12}.mp4,{'abc'[i % 3]},g{rng.integers(20)}" for i in range(300)]
    dataset = load_dataset(_table(tmp_path, "path,label,group\n" + "\n".join(rows)))
    homes: dict[str | None, set[str]] = {}
    for video in dataset.videos:
        homes.setdefault(video.group, set()).add(video.split)
    assert all(len(splits) == 1 for splits in homes.values())
    counts = _counts(dataset)
    assert 30 <= counts["val"] <= 60
    assert 30 <= counts["test"] <= 60
    for split in SPLITS:
        assert {video.labels for video in dataset.videos if video.split == split} == {
            (0,),
            (1,),
            (2,),
        }


def test_a_missing_validation_split_is_drawn_from_training(tmp_path: Path) -> None:
    cells = ["train", "train", "train", "train", "test", "test"] * 2
    dataset = load_dataset(_table(tmp_path, _rows("path,label,split", *cells)))
    assert _counts(dataset) == {"train": 6, "val": 2, "test": 4}
    tested = [i for i, video in enumerate(dataset.videos) if video.split == "test"]
    assert tested == [4, 5, 10, 11]
    assert any("No validation split" in remark for remark in dataset.remarks)


def test_a_given_validation_split_tests_when_there_is_no_other(tmp_path: Path) -> None:
    cells = ["train", "train", "train", "train", "val", "val"] * 2
    dataset = load_dataset(_table(tmp_path, _rows("path,label,split", *cells)))
    tested = [i for i, video in enumerate(dataset.videos) if video.split == "test"]
    assert tested == [4, 5, 10, 11]
    assert any("kept for testing" in remark for remark in dataset.remarks)


def test_a_group_in_two_given_splits_is_remarked_on(tmp_path: Path) -> None:
    cells = [f"{split},g{i}" for i, split in enumerate(["train", "val", "test"] * 4)]
    cells[1] = "val,g0"
    cells = [*cells[:6], *(f"train,h{i}" for i in range(6))]
    dataset = load_dataset(_table(tmp_path, _rows("path,label,split,group", *cells)))
    assert any("'g0'" in remark for remark in dataset.remarks)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "no clips were found"),
        ({"run": 0}, "no clips were found"),
        ({"run": 5}, "one class, 'run'"),
        ({"run": 5, "walk": 1}, r"needs 3 or more clips .* of 'walk' \(1\)"),
        ({"run": 5, "walk": 2}, r"too few are of 'walk' \(2\)"),
    ],
)
def test_too_little_in_a_folder(
    make_folder: MakeFolder, tmp_path: Path, counts: dict[str, int], words: str
) -> None:
    (tmp_path / "clips").mkdir(exist_ok=True)
    make_folder(counts)
    with pytest.raises(UserError, match=words):
        load_dataset(tmp_path / "clips")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'path'"),
        ("path,label\n", "no clips were found"),
        (_rows("path,lable"), "unknown column 'lable'; rename it to 'label'"),
        (_rows("path,label,splits", *["train"] * 12), "unknown column 'splits'"),
        (_rows("path,class"), "no column 'label' among 'path,class'"),
        (_rows("path:label").replace(",", ":"), "separated by commas"),
        (_rows("path,label,label", *["a"] * 12), "appears twice"),
        (_rows("path,label,split", *["trian"] * 12), "line 2: split 'trian' is not a split"),
        (_rows("path,label,split", *["train"] * 11, ""), "1 of 12 clips has no split"),
        (
            _rows("path,label,split", *["val", "test"] * 6),
            r"too few are of 'a' \(0\) and 'b' \(0\)",
        ),
        (_rows("path,label,start_s", *["soon"] * 12), "start_s 'soon' is not a time"),
        (_rows("path,label,end_s", *["-1"] * 12), "end_s '-1' is not a time"),
        (_rows("path,label,end_s", *["nan"] * 12), "end_s 'nan' is not a time"),
        (_rows("path,label,images_fps", *["0"] * 12), "images_fps '0' is not a rate"),
        (_rows("path,label,start_s,end_s", *["2,1"] * 12), "end_s 1 is not after start_s 2"),
        (_rows("path,label").replace("3.mp4,b", "3.mp4,"), "line 5: label is empty"),
        (_rows("path,label").replace(",b", ",a"), "one class, 'a'"),
        (_rows("path,label,group", *["g"] * 12), "no test split can be drawn"),
    ],
)
def test_a_bad_table_says_where_and_what(tmp_path: Path, text: str, words: str) -> None:
    path = _table(tmp_path, text)
    with pytest.raises(UserError, match=words) as caught:
        load_dataset(path)
    assert str(path) in str(caught.value)


def test_missing_files_are_counted_and_named(tmp_path: Path) -> None:
    dataset = load_dataset(_table(tmp_path, _rows("path,label").replace("3.mp4", "30.mp4")))
    assert len(dataset.videos) == 11
    assert any("1 of 12 files does not exist" in r and "30.mp4" in r for r in dataset.remarks)
    with pytest.raises(UserError, match=r"none of the 12 videos are there: no/0\.mp4, .* 9 more"):
        load_dataset(
            _table(tmp_path, "path,label\n" + "no/" + _rows("").strip().replace("\n", "\nno/"))
        )


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_recognised_and_said(tmp_path: Path, delimiter: str) -> None:
    rows = _rows("path,label,group", *[f'"g, {i}"' for i in range(12)])
    text = rows.replace(",", delimiter).replace(f"g{delimiter} ", "g, ")
    dataset = load_dataset(_table(tmp_path, text))
    assert dataset.videos[3].group == "g, 3"
    assert any("separated by" in remark for remark in dataset.remarks)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("path,label", "3.mp4,jump, high"),
        ("path,label,", "3.mp4,jump, high"),
        ("path,label,,", "3.mp4,jump, high"),
        ("label,path", "jump, high,3.mp4"),
        ("path,label,split", "3.mp4,jump, high,train,"),
    ],
)
def test_an_unquoted_comma_is_found(tmp_path: Path, header: str, row: str) -> None:
    path = _table(tmp_path, f"{header}\n{row}\n")
    with pytest.raises(UserError, match=r"line 2: .*(\"jump, high\"|split 'high')"):
        load_dataset(path)


def test_empty_cells_and_rows_that_a_spreadsheet_leaves_are_no_error(tmp_path: Path) -> None:
    text = _rows("path,label,,", *[","] * 12) + ",,,\n\n,,,,,\n"
    assert len(load_dataset(_table(tmp_path, text)).videos) == 12


def test_a_stray_quote_does_not_swallow_rows(tmp_path: Path) -> None:
    text = _rows("path,label").replace("3.mp4,b", '3.mp4,"b').replace("9.mp4,b", '9.mp4,b"')
    with pytest.raises(UserError, match=r"not a readable CSV|control characters"):
        load_dataset(_table(tmp_path, text))


def test_a_column_labels_makes_videos_of_several_classes(tmp_path: Path) -> None:
    cells = ["a", "b", "a|b", "", " b | a ", "c"] * 2
    rows = [f"{i}.mp4,{cell}" for i, cell in enumerate(cells)]
    dataset = load_dataset(_table(tmp_path, "path,labels\n" + "\n".join(rows)))
    assert dataset.multi_label
    assert dataset.classes == ("a", "b", "c")
    assert [video.labels for video in dataset.videos[:5]] == [(0,), (1,), (0, 1), (), (0, 1)]
    with pytest.raises(UserError, match="columns label and labels; keep label if"):
        load_dataset(_table(tmp_path, "path,label,labels\n0.mp4,a,a\n"))


def test_a_split_without_labels_is_left_out_where_videos_show_several(tmp_path: Path) -> None:
    """As where the makers keep the labels of the test videos to themselves."""
    splits = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    rows = [
        f"{i}.mp4,{'' if split == 'test' else 'ab'[i % 2]},{split}"
        for i, split in enumerate(splits)
    ]
    path = _table(tmp_path, "path,labels,split\n" + "\n".join(rows))
    dataset = load_dataset(path)
    assert {video.path.stem for video in dataset.videos if video.split == "test"} == {"8", "9"}
    assert {video.split for video in dataset.videos} == set(SPLITS)
    assert len(dataset.videos) == 10
    assert "Left out the test split (2 clips): none of its clips has a label." in dataset.remarks
    tested, given = load_labelled(path, dataset.classes, multi_label=True)
    assert given == "val" and {video.path.stem for video in tested.videos} == {"8", "9"}
    asked, given = load_labelled(path, dataset.classes, "test", multi_label=True)
    assert given == "test" and {video.path.stem for video in asked.videos} == {"10", "11"}
    # One that shows something is enough.
    path.write_text(path.read_text().replace("11.mp4,,test", "11.mp4,b,test"))
    assert _counts(load_dataset(path)) == {"train": 8, "val": 2, "test": 2}


def test_more_classes_than_can_be_judged_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidnas.core.bounds.CLASSES", 2)
    rows = "".join(f"{i}.mp4,{'abc'[i % 3]}\n" for i in range(12))
    with pytest.raises(UserError, match=r"has 3 classes, and a network tells 2 apart at most"):
        load_dataset(_table(tmp_path, f"path,label\n{rows}"))
    # Where videos show several, nothing is taken for something else.
    assert len(load_dataset(_table(tmp_path, f"path,labels\n{rows}")).classes) == 3


def test_a_label_with_the_separator_of_several_stays_one(tmp_path: Path) -> None:
    rows = _rows("path,label").replace(",b", ",a|b;c")
    dataset = load_dataset(_table(tmp_path, rows))
    assert dataset.classes == ("a", "a|b;c")
    assert not dataset.multi_label


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("x" * 300, "300 characters, more than 255"),
        ("a\x07b", r"a\\x07b' has control characters"),
        ("a\u2028b", r"a\\u2028b' has control characters"),
    ],
)
def test_a_label_that_cannot_be_kept_is_refused(tmp_path: Path, label: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_dataset(_table(tmp_path, _rows("path,label").replace(",b", f",{label}")))


def test_spans_of_one_file_are_in_one_split(tmp_path: Path) -> None:
    rows = [
        f"{file}.mp4,{'ab'[file % 2]},{span},{span + 2}" for file in range(12) for span in range(4)
    ]
    rows[-1] = f"x/../11.mp4,b,{0},{2}"  # the same file by another path
    (tmp_path / "x").mkdir()
    dataset = load_dataset(_table(tmp_path, "path,label,start_s,end_s\n" + "\n".join(rows)))
    homes: dict[Path, set[str]] = {}
    for video in dataset.videos:
        homes.setdefault(video.path.resolve(), set()).add(video.split)
    assert len(homes) == 12
    assert all(len(own) == 1 for own in homes.values())


def test_tables_for_the_splits_of_a_folder(tmp_path: Path) -> None:
    rows = _rows("path,label").splitlines()
    for split, own in (("train", rows[1:9]), ("val", rows[9:11]), ("test", rows[11:])):
        _table(tmp_path, "").unlink()
        (tmp_path / f"{split}.csv").write_text("\n".join([rows[0], *own]) + "\n")
    dataset = load_dataset(tmp_path)
    assert _counts(dataset) == {"train": 8, "val": 2, "test": 2}
    assert _counts(load_dataset(tmp_path / "train.csv")) == {"train": 4, "val": 2, "test": 2}


def test_a_class_called_like_a_split_in_a_table_is_said(tmp_path: Path) -> None:
    dataset = load_dataset(_table(tmp_path, _rows("path,label").replace(",b", ",train")))
    assert any("called like a split: train" in remark for remark in dataset.remarks)


def test_a_row_for_each_class_of_a_clip_is_said(tmp_path: Path) -> None:
    """As Charades and AVA are often written down, which no classifier can learn."""
    rows = "path,label,start_s,end_s\n" + "".join(f"{i}.mp4,walk,0,2\n" for i in range(12))
    rows += "".join(f"{i}.mp4,talk,0,2\n{i}.mp4,talk,2,4\n" for i in range(3))
    dataset = load_dataset(_table(tmp_path, rows))
    assert len(dataset.videos) == 18
    (said,) = [one for one in dataset.remarks if "different classes" in one]
    assert "(3): the first is 0.mp4, as walk and talk" in said
    assert "in a column labels (walk|talk)" in said
    assert not any("more than once" in one for one in dataset.remarks)


def test_rows_that_are_there_twice_are_said(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to("3.mp4")
    again = "2.mp4,a\nlink.mp4,b\n./2.mp4,a\n"
    dataset = load_dataset(_table(tmp_path, _rows("path,label") + again))
    (said,) = [one for one in dataset.remarks if "more than once" in one]
    assert "count as often (2): the first is 2.mp4" in said
    assert not any("different classes" in one for one in dataset.remarks)


def test_a_table_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _table(tmp_path, _rows("path,label"))
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"labels.csv cannot be read: permission denied"):
        load_dataset(path)


def test_a_table_in_another_encoding(tmp_path: Path) -> None:
    path = _table(tmp_path, "")
    path.write_bytes(_rows("path,label").replace(",b", ",grün").encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        load_dataset(path)


@pytest.mark.parametrize("name", ["labels.csv", "list.txt"])
def test_a_table_with_a_character_that_no_path_has(tmp_path: Path, name: str) -> None:
    _table(tmp_path, "")
    rows = _rows("path,label").replace("3.mp4", "3\0.mp4")
    if name == "list.txt":
        rows = rows.partition("\n")[2]
    (tmp_path / name).write_text(rows)
    line = 5 if name == "labels.csv" else 4
    with pytest.raises(UserError, match=rf"{name}, line {line}: a NUL character is no text"):
        load_dataset(tmp_path / name, format="csv" if name == "labels.csv" else "list")


def test_folders_of_classes_take_no_folder_of_videos(make_folder: MakeFolder) -> None:
    folder = make_folder({"walk": 20, "run": 20})
    with pytest.raises(UserError, match="is a folder of clips; leave it out"):
        load_dataset(folder, video_folder=folder)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file or folder; give a folder .* or a CSV"):
        load_dataset(tmp_path / "none")


def test_a_source_may_be_a_string(make_folder: MakeFolder) -> None:
    folder = make_folder({"walk": 5, "run": 5})
    assert load_dataset(str(folder)) == load_dataset(folder)


def test_a_further_format_is_one_entry_in_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(source: Path, videos: Path | None) -> Reading:
        assert videos is None
        lines = [line.split(" ", 1) for line in source.read_text().splitlines()]
        entries = (Entry(source.parent / name, (label,), "train") for label, name in lines)
        return Reading(tuple(entries), ("Read.",))

    listed = Format("listed", "a list", lambda source: source.suffix == ".lst", read)
    monkeypatch.setattr(datasets, "FORMATS", (listed, *datasets.FORMATS))
    for i in range(20):
        (tmp_path / f"{i}.mp4").write_bytes(b"x")
    (tmp_path / "clips.lst").write_text("".join(f"{'ab'[i % 2]} {i}.mp4\n" for i in range(20)))
    dataset = load_dataset(tmp_path / "clips.lst")
    assert dataset.classes == ("a", "b")
    assert dataset.remarks[0] == "Read."
    with pytest.raises(UserError, match="give a list or a folder"):
        load_dataset(tmp_path / "none")


@pytest.mark.shared_data
def test_real_tables(shared_folder: Path) -> None:
    actions = shared_folder / "actions"
    digits = load_dataset(actions / "grid_s1" / "labels_digits10.csv")
    assert _counts(digits) == {"train": 700, "val": 100, "test": 200}
    dark = load_dataset(actions / "arid6" / "labels.csv")
    assert _counts(dark)["test"] == 96
    assert {video.labels for video in dark.videos if video.split == "val"} == {
        (i,) for i in range(6)
    }
