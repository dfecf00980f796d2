"""Records in the folder of a study, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from vidnas.core import UserError
from vidnas.core.bounds import RECORD, TextBounds, bounded_bytes
from vidnas.core.files import replacing
from vidnas.core.value import Value

_Record = TypeVar("_Record", bound=Value)


def write_record(record: Value, path: Path) -> None:
    """Write a record as JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(record_text(record), encoding="utf-8")


def record_text(record: Value) -> str:
    """Return what `write_record` writes."""
    return record.model_dump_json(indent=2) + "\n"


def read_record(kind: type[_Record], path: Path, bounds: TextBounds = RECORD) -> _Record | None:
    """Read what `write_record` wrote, or return None if the file does not exist.

    Raises:
        UserError: the file is damaged or from another version.
    """
    if not path.is_file():
        return None
    try:
        return kind.model_validate_json(bounded_bytes(path, bounds))
    except (ValidationError, UserError) as error:
        raise UserError(
            f"{path} is damaged or from another version; delete it and run the command that wrote "
            "it again."
        ) from error
