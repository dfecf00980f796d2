"""What a source lists more than once: a clip with two truths, or one that counts twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from vidnas.core.names import listed
from vidnas.data.formats import Entry

_SHOWN = 3


def remarks_on_repeats(entries: Sequence[Entry], files: Sequence[Hashable]) -> list[str]:
    """Say which clips are listed with different classes, and which rows are there twice.

    Args:
        entries: what a source holds.
        files: what identifies the file of each, through links as well.
    """
    alike: dict[Hashable, list[Entry]] = defaultdict(list)
    for entry, file in zip(entries, files, strict=True):
        alike[file, entry.start_s, entry.end_s].append(entry)
    repeated = [own for own in alike.values() if len(own) > 1]
    return [*_remark_on_contradictions(repeated), *_remark_on_doubles(repeated)]


def _remark_on_contradictions(repeated: Sequence[Sequence[Entry]]) -> list[str]:
    found = [own for own in repeated if len({frozenset(entry.labels) for entry in own}) > 1]
    if not found:
        return []
    first = found[0]
    labels = list(dict.fromkeys(label for entry in first for label in entry.labels))
    return [
        "Clips are listed with different classes, and each row is trained as if the others were "
        f"wrong ({len(found):,}): the first is {first[0].path.name}, as {listed(labels, _SHOWN)}; "
        "where a clip shows several classes, give a CSV that has them in one row, in a column "
        f"labels ({'|'.join(labels[:_SHOWN])})."
    ]


def _remark_on_doubles(repeated: Sequence[Sequence[Entry]]) -> list[str]:
    found = []
    for own in repeated:
        rows = Counter((frozenset(entry.labels), entry.split) for entry in own)
        if max(rows.values()) > 1:
            found.append(own[0].path.name)
    if not found:
        return []
    return [
        f"Clips are listed more than once with the same classes, and count as often "
        f"({len(found):,}): the first is {found[0]}; remove what is repeated."
    ]
