"""Labelled videos as they are, to test a model on: no split is drawn, and no class is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.names import listed
from vidnas.core.text import counted
from vidnas.data.datasets import Dataset, Video, read_source
from vidnas.data.formats import Entry, Reading
from vidnas.data.formats.recognition import without_unlabelled_splits
from vidnas.data.reading import IMAGES_FPS
from vidnas.data.splits import SPLITS, Split


def load_labelled(
    source: Path | str,
    classes: Sequence[str],
    split: Split | None = None,
    *,
    multi_label: bool = False,
    format: str | None = None,
    video_folder: Path | None = None,
) -> tuple[Dataset, Split | None]:
    """Read labelled videos for a model that knows the classes, one or more of which they show.

    Args:
        source: what `load_dataset` reads.
        classes: of the model, in its order.
        split: which videos, where the source gives splits; None for its test split, or its
            validation split where it has no test split with labels, as in training.
        multi_label: whether the model names all classes that a video shows, or one.
        format: name of the format; None to recognise it by its content.
        video_folder: where the videos are that annotations name; None to look beside them.

    Returns:
        The videos, all in the split `test`; and the given split that they are of, None where the
        source gives none or has none for testing: then they are all of its videos. So it is where
        a validation split is asked for and not given: then they are those that one is drawn from.

    Raises:
        UserError: nothing there, nothing of the split, only some videos have one, a class that the
            model does not know, or several classes for a video where the model names one.
    """
    source = Path(source)
    reading = read_source(source, format=format, video_folder=video_folder)
    if split is None:
        reading = without_unlabelled_splits(reading)
    given = {entry.split for entry in reading.entries}
    if None in given and len(given) > 1:
        without = sum(entry.split is None for entry in reading.entries)
        of = f"of {len(reading.entries)} clips"
        raise UserError(
            f"{source}: {counted(without, f'{of} has', f'{of} have')} no split; give all of them "
            "one, or none."
        )
    chosen = split if None not in given else None
    if split is None:
        chosen = next((one for one in ("test", "val") if one in given), None)
    part = chosen
    if chosen == "val" and "val" not in given and "train" in given:
        part, chosen = "train", None  # training draws its validation videos from these
    entries = [one for one in reading.entries if part is None or one.split == part]
    if not entries:
        there = listed([one for one in SPLITS if one in given])
        raise UserError(f"{source} has no videos in the split {chosen}; there is {there}.")
    entries, remarks = _without_lost(reading, entries, classes)
    _require_known(source, entries, classes)
    if not multi_label and any(len(one.labels) != 1 for one in entries):
        raise UserError(
            f"{source} has videos of several classes, and the model names one for each; give "
            "clips of one class each."
        )
    number = {name: index for index, name in enumerate(classes)}
    videos = tuple(
        Video(
            one.path,
            tuple(sorted(number[label] for label in one.labels)),
            "test",
            one.group,
            one.start_s,
            one.end_s,
            one.images_fps or IMAGES_FPS,
        )
        for one in entries
    )
    return Dataset(
        source, tuple(classes), videos, (*reading.remarks, *remarks), multi_label
    ), chosen


def file_of(content: str) -> str:
    """Return what identifies the file of a video, given what identifies the video or its span."""
    return content.partition(":")[0]


def _without_lost(
    reading: Reading, entries: list[Entry], classes: Sequence[str]
) -> tuple[list[Entry], list[str]]:
    """Leave out, and say so, what the model does not know because training left the class out: it
    does that where too few videos of a class are there. Where nothing else is left, nothing is.
    """
    unknown = reading.lost - set(classes)
    kept = [one for one in entries if unknown.isdisjoint(one.labels)]
    if reading.multi_label or len(kept) in (0, len(entries)):
        return entries, []
    names = listed(sorted({*unknown} & {label for one in entries for label in one.labels}))
    return kept, [
        f"Left out clips of classes of which videos are missing and that the model does not know "
        f"({len(entries) - len(kept):,}): {names}."
    ]


def _require_known(source: Path, entries: Sequence[Entry], classes: Sequence[str]) -> None:
    unknown = sorted({label for one in entries for label in one.labels} - set(classes))
    if unknown:
        raise UserError(
            f"{source} has clips of {listed(unknown)}, which the model does not know; it knows "
            f"{listed(classes)}."
        )
