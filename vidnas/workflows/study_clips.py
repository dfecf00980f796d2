"""Which clips a study was searched on, so that it can say what has changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from typing_extensions import Self

from vidnas.core import UserError
from vidnas.core.bounds import LISTING, require_within
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.data.datasets import Dataset
from vidnas.data.splits import SPLITS
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.study import CONFIG_NAME
from vidnas.workflows.records import read_record, record_text, write_record

CLIPS_FILE = "clips.json"
_SHOWN = 3
_Use = tuple[str, str, str]
"""Of a video: what identifies its content, its classes, and its split."""


class StudyClips(Value):
    """The clips that a study was searched on."""

    fingerprint: str
    videos: tuple[tuple[str, str, str, str], ...]
    """Path, content, classes and split of each."""
    skipped: tuple[int, ...] = ()
    """Places in `videos` of those that could not be used; empty in lists that do not say it."""

    @classmethod
    def of(cls, dataset: Dataset, cache: ClipCache | None = None) -> Self:
        """Return what a study remembers of its clips; the cache knows which of them are used."""
        files = dataset.files()
        videos = tuple(
            (dataset.relative(video.path), content, dataset.names(video.labels), video.split)
            for video, content in zip(dataset.videos, dataset.contents(files), strict=True)
        )
        skipped = () if cache is None else _skipped(videos, cache)
        return cls(fingerprint=dataset.fingerprint(files), videos=videos, skipped=skipped)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """The numbers of videos that are used, by split and class."""
        found: dict[str, Counter[str]] = {}
        skipped = {*self.skipped}
        for place, (_, _, names, split) in enumerate(self.videos):
            if place not in skipped:
                found.setdefault(split, Counter())[names] += 1
        return {split: dict(found[split]) for split in SPLITS if split in found}

    @property
    def labelled(self) -> frozenset[tuple[str, ...]]:
        """Content and classes of each video, wherever it lies and whatever its split."""
        return frozenset((content, names) for _, content, names, _ in self.videos)

    def changes(self, now: StudyClips) -> str:
        """Return what differs now, for people: "2 were added (a.mp4, b.mp4)"."""
        before, after = self._by_path(), now._by_path()
        both = [path for path in after if path in before and before[path] != after[path]]
        changed = [path for path in both if _contents(before[path]) != _contents(after[path])]
        used_otherwise = sorted({*both} - {*changed})
        found = [
            _named("added", [path for path in after if path not in before]),
            _named("removed", [path for path in before if path not in after]),
            _named("changed", changed),
            _named("put into another class or split", used_otherwise),
        ]
        return ", ".join(part for part in found if part) or "their classes or groups differ"

    def _by_path(self) -> dict[str, set[_Use]]:
        found: dict[str, set[_Use]] = {}
        for path, *use in self.videos:  # spans of one file have one path
            found.setdefault(path, set()).add((use[0], use[1], use[2]))
        return found


def _skipped(videos: Iterable[tuple[str, str, str, str]], cache: ClipCache) -> tuple[int, ...]:
    """Return the places of the videos that a cache does not hold, which has them in this order."""
    left = Counter(zip(cache.paths, cache.contents, strict=True))
    skipped = []
    for place, (path, content, *_) in enumerate(videos):
        if left[path, content]:
            left[path, content] -= 1
        else:
            skipped.append(place)
    return tuple(skipped)


def _contents(uses: Iterable[_Use]) -> set[str]:
    return {content for content, _, _ in uses}


def _named(what: str, paths: list[str]) -> str:
    if not paths:
        return ""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    verb = "was" if len(paths) == 1 else "were"
    return f"{len(paths)} {verb} {what} ({', '.join(paths[:_SHOWN])}{more})"


def known_clips(folder: Path) -> StudyClips | None:
    """Return the clips that the study in a folder was searched on; None where it has no list.

    Raises:
        UserError: the list is damaged.
    """
    return read_record(StudyClips, folder / CLIPS_FILE, LISTING)


def changes_since(folder: Path, dataset: Dataset) -> str:
    """Return how the clips differ from those that the study in a folder was searched on."""
    known = known_clips(folder)
    if known is None:
        return f"which ones differ is not known, because {folder} has no {CLIPS_FILE}"
    return known.changes(StudyClips.of(dataset))


def require_same_clips(
    folder: Path,
    dataset: Dataset,
    seed: int,
    on_reading: Callable[[int, int], None] | None = None,
) -> None:
    """Reject other clips than those that the study in a folder was searched on, if there is one.

    Args:
        folder: of the study.
        dataset: the clips as they are now.
        seed: draws their splits.
        on_reading: called with the numbers of files hashed and in all, if any must be read.

    Raises:
        UserError: clips were added, removed or changed; some are named, and how to go on. Or the
            seed, which draws splits, is another.
    """
    if not (folder / CONFIG_NAME).is_file():
        return
    config = StudyConfig.read(folder / CONFIG_NAME)
    if config.data_fingerprint == dataset.fingerprint(dataset.files(on_progress=on_reading)):
        return
    if config.seed != seed:
        raise UserError(
            f"{folder} holds a study of something else: it has seed {config.seed}, and the splits "
            f"that this draws; give --seed {config.seed} to resume it, or choose another folder."
        )
    raise UserError(
        f"The clips in {dataset.source} are not those that {folder} was searched on: "
        f"{changes_since(folder, dataset)}; restore them to resume it, or take its trials along to "
        f"the clips as they are now with `vidnas study fork {folder} NEW --clips "
        f"{dataset.source}`."
    )


def record_clips(
    folder: Path, dataset: Dataset, fingerprint: str, cache: ClipCache | None = None
) -> None:
    """Remember the clips of a study in its folder, unless the list is too long to be read again.

    Args:
        folder: of the study.
        dataset: its clips.
        fingerprint: of the data set.
        cache: knows which clips could not be used; None where nobody looked.
    """
    known = known_clips(folder)
    if known is not None and known.fingerprint == fingerprint:
        used = len(known.videos) - len(known.skipped)
        if cache is None or used == len(cache):
            return
    clips = StudyClips.of(dataset, cache)
    try:
        require_within(record_text(clips).encode(), CLIPS_FILE, LISTING)
    except UserError:
        (folder / CLIPS_FILE).unlink(missing_ok=True)
    else:
        write_record(clips, folder / CLIPS_FILE)
