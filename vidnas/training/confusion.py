"""The confusion matrix, and how it is written down: of many classes, without what is 0."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PlainSerializer, WrapValidator
from typing_extensions import Self

from vidnas.core import bounds
from vidnas.core.value import Value

_MOST_WRITTEN_WHOLE = 300
"""Classes up to which every number is written down. Of more, hardly any is not 0, and what grows
with their square could not be read again."""

Rows = tuple[tuple[int, ...], ...]


class _Cells(Value):
    """A matrix as the cells of it that are not 0."""

    classes: Annotated[int, Field(ge=1, le=bounds.CLASSES)]
    cells: tuple[NonNegativeInt, ...]
    """Of each cell three numbers, one after the other: row, column, and what it holds."""

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """Return a matrix as its cells."""
        found = (
            (true, taken, count)
            for true, row in enumerate(rows)
            for taken, count in enumerate(row)
            if count
        )
        return cls(classes=len(rows), cells=tuple(number for cell in found for number in cell))

    def rows(self) -> Rows:
        """Return the whole matrix.

        Raises:
            ValueError: a cell lies outside, or is cut off.
        """
        cells = list(zip(self.cells[0::3], self.cells[1::3], self.cells[2::3], strict=True))
        if any(max(true, taken) >= self.classes for true, taken, _ in cells):
            raise ValueError(f"a cell lies outside a matrix of {self.classes} classes")
        rows = [(0,) * self.classes] * self.classes
        for true, found in groupby(sorted(cells), key=itemgetter(0)):
            row = [0] * self.classes
            for _, taken, count in found:
                row[taken] = count
            rows[true] = tuple(row)
        return tuple(rows)


def _read(stored: Any, whole: Callable[[Any], Rows]) -> Rows:
    return _Cells.model_validate(stored).rows() if isinstance(stored, dict) else whole(stored)


def _written(rows: Rows) -> Rows | dict[str, Any]:
    if not _MOST_WRITTEN_WHOLE < len(rows) <= bounds.CLASSES:
        return rows
    cells = _Cells.of(rows).model_dump(mode="json")
    return cells if len(cells["cells"]) < len(rows) ** 2 else rows


Confusion = Annotated[Rows, WrapValidator(_read), PlainSerializer(_written, when_used="json")]
"""Number of videos of true class [row] that were taken for class [column]."""
