"""The layouts in which labelled videos can be given, one per file.

A further format is a module with a `Format`, named in `FORMATS`.
"""

from vidnas.data.formats.base import Entry, Format, Reading
from vidnas.data.formats.class_folders import CLASS_FOLDERS
from vidnas.data.formats.csv_table import CSV_TABLE

FORMATS = (CLASS_FOLDERS, CSV_TABLE)
"""The first that recognises a source reads it; the table takes any file, so it comes last."""

__all__ = ["FORMATS", "Entry", "Format", "Reading"]
