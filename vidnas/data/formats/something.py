"""Something-Something v2: JSON per split, a list of `id`, `label`, `template`, `placeholders`.

The class is the template without its brackets, as in the file of labels. The videos are WebM
files, or folders of frames, called by their id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats.annotations import (
    Head,
    read_json,
    recognised_by,
    split_of,
)
from vidnas.data.formats.base import Format
from vidnas.data.formats.by_files import reader_of
from vidnas.data.formats.locating import Row

_FIRST = re.compile(r'\[\s*\{[^{}]*"(?:id|template)"\s*:')
_TEST_ONLY = re.compile(r'\[\s*\{\s*"id"\s*:\s*"?\d+"?\s*\}')


def parse(path: Path) -> Iterator[Row]:
    """Yield the videos of one file; those of the test split have no label.

    Raises:
        UserError: an item cannot be read.
    """
    items = read_json(path)
    for number, item in enumerate(items if isinstance(items, list) else [items], 1):
        if not isinstance(item, dict) or not isinstance(item.get("id"), str | int):
            raise UserError(f"{path}: item {number} is no video with an id; download it again.")
        template = str(item.get("template") or "")
        label = template.replace("[", "").replace("]", "")
        yield Row(str(item["id"]), (label,) if label else (), split_of(path))


def _is_mine(head: Head) -> bool:
    text = " ".join(head)
    return bool(_TEST_ONLY.match(text) or (_FIRST.match(text) and '"template"' in text))


SOMETHING = Format(
    name="something",
    description="the JSON files of Something-Something v2",
    recognises=recognised_by(_is_mine),
    read=reader_of(
        _is_mine,
        parse,
        lambda videos, row: videos.called(row.video, row.split),
        "JSON lists of videos with an id and a template,",
    ),
    published=True,
)
