"""Which format a source has, and what holds for the entries of all formats."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.names import listed, suggest
from vidnas.core.paths import is_there
from vidnas.core.text import counted, escaped
from vidnas.data.formats.base import FEW, Entry, Format, Reading
from vidnas.data.formats.names import check_classes, normal, path_flaw
from vidnas.data.reading import IMAGES_FPS
from vidnas.data.splits import JUDGED


def recognise(source: Path, formats: Sequence[Format], name: str | None) -> Format:
    """Return the format of this name, or the last, most particular one that recognises a source.

    Raises:
        UserError: nothing is there, or the name or the format is unknown, or two data sets' own
            formats recognise it.
    """
    if wrong := path_flaw(source):
        raise UserError(f"The path {escaped(str(source))} {wrong}; rename the folder or the file.")
    if not is_there(source):
        raise UserError(f"{source}: no such file or folder; give {_wanted(formats)}.")
    if not os.access(source, os.R_OK):
        raise UserError(f"{source} cannot be read: permission denied; change its permissions.")
    if name is not None:
        chosen = {format.name: format for format in formats}.get(name)
        if chosen is None:
            known = suggest(name, [format.name for format in formats])
            raise UserError(f"--format {name} is unknown; {known}")
        return chosen
    found = [format for format in formats if format.recognises(source)]
    published = [format.name for format in found if format.published]
    if len(published) > 1:
        raise UserError(
            f"{source} can be read as {' or as '.join(published)}; choose one with --format, or "
            "give one of the files in it."
        )
    if not found:
        raise UserError(f"{source}: its format is not known; give {_wanted(formats)}.")
    return found[-1]


def checked(source: Path, format: Format, videos: Path | None) -> Reading:
    """Read a source, and return what all formats have in common: what can be used further on.

    Class names are in one normal form; files that cannot be read, or whose names no other program
    could be told, are left out and named.

    Raises:
        UserError: there are no clips, a class name is unfit, or what the reader cannot read.
    """
    reading = format.read(source, videos)
    remarks = list(reading.remarks)
    if reading.layout:
        remarks.insert(0, f"{source} is read as {format.name}: {reading.layout}.")
    given = {label for entry in reading.entries for label in entry.labels}
    check_classes(source, sorted(given))
    joined = sorted(label for label in given if normal(label) != label and normal(label) in given)
    if joined:
        names = listed(joined, FEW)
        remarks.append(f"Classes that differ in Unicode form only are one: {names}.")
    entries, flaws, lost = [], [], set(reading.lost)
    for entry in reading.entries:
        wrong = path_flaw(entry.path)
        if wrong is None and not os.access(entry.path, os.R_OK):
            wrong = "cannot be read: permission denied"
        if wrong:
            flaws.append(f"{escaped(str(entry.path))} {wrong}")
            lost.update(entry.labels)
        else:
            entries.append(replace(entry, labels=_normal(entry.labels)))
    if flaws:
        remarks.append(f"Left out clips ({len(flaws):,}): {listed(flaws, FEW)}.")
    remarks += _remarks_on_times(entries)
    if not entries:
        because = f" ({' '.join(remarks)})" if remarks else ""
        raise UserError(f"{source}: no clips were found{because}; give {format.description}.")
    return replace(
        reading,
        entries=tuple(entries),
        remarks=tuple(remarks),
        lost=frozenset(map(normal, lost)),
    )


def _remarks_on_times(entries: Iterable[Entry]) -> list[str]:
    """Say at which rate times in folders of images are counted, where the source does not."""
    timed = (one for one in entries if (one.start_s, one.end_s) != (None, None))
    count = sum(one.images_fps is None and one.path.is_dir() for one in timed)
    if not count:
        return []
    return [
        f"Times in folders of images are counted at {IMAGES_FPS:g} images per second ({count:,}); "
        "if they were recorded at another rate, give it in a column images_fps of a CSV."
    ]


def without_emptied_classes(reading: Reading) -> Reading:
    """Return what can be trained on where videos are missing: not the classes that lost too many.

    Those have too few left to train on, and for each split that is drawn from these.
    """
    given = {entry.split for entry in reading.entries}
    needed = 4 - len(given)
    left = Counter(
        label
        for entry in reading.entries
        if entry.split in (None, "train")
        for label in entry.labels
    )
    emptied = sorted(label for label in reading.lost if left[label] < needed)
    if reading.multi_label or not emptied:
        return reading
    kept = tuple(entry for entry in reading.entries if entry.labels[0] not in emptied)
    remark = (
        f"Left out classes of which too few videos are there ({len(emptied):,}): "
        f"{listed(emptied, FEW)}."
    )
    return replace(reading, entries=kept, remarks=(*reading.remarks, remark))


def without_unlabelled_splits(reading: Reading) -> Reading:
    """Return what can be judged by where videos may show no class: no test or validation split of
    which not one video has a label, as where the makers keep them to themselves."""
    sizes = Counter(entry.split for entry in reading.entries)
    labelled = {entry.split for entry in reading.entries if entry.labels}
    hidden = [split for split in JUDGED if sizes[split] and split not in labelled]
    if not (reading.multi_label and labelled and hidden):
        return reading
    kept = tuple(entry for entry in reading.entries if entry.split not in hidden)
    remarks = [
        f"Left out the {split} split ({counted(sizes[split], 'clip')}): none of its clips has a "
        "label."
        for split in hidden
    ]
    return replace(reading, entries=kept, remarks=(*reading.remarks, *remarks))


def _normal(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(normal, labels)))


def identify_files(paths: Iterable[Path]) -> list[Hashable]:
    """Return what is equal for two paths of one file or folder, through links as well."""
    listed = list(paths)
    known = {path: _identity(path) for path in set(listed)}
    return [known[path] for path in listed]


def _identity(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError:
        return path
    return status.st_dev, status.st_ino


def _wanted(formats: Sequence[Format]) -> str:
    own = " or ".join(format.description for format in formats if not format.published)
    published = [format.name for format in formats if format.published]
    return own + (f" or the annotations of {', '.join(published)}" if published else "")
