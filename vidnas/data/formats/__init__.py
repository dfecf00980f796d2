"""The layouts in which labelled videos can be given, one per file.

A further format is a module with a `Format`, named in `FORMATS`.
"""

from vidnas.data.formats.activitynet import ACTIVITYNET
from vidnas.data.formats.base import Entry, Format, Reading
from vidnas.data.formats.charades import CHARADES
from vidnas.data.formats.charades_frames import CHARADES_FRAMES
from vidnas.data.formats.class_folders import CLASS_FOLDERS, FRAME_FOLDERS
from vidnas.data.formats.csv_table import CSV_TABLE
from vidnas.data.formats.hmdb51 import HMDB51
from vidnas.data.formats.jester import JESTER
from vidnas.data.formats.kinetics import KINETICS
from vidnas.data.formats.moments import MOMENTS
from vidnas.data.formats.path_list import PATH_LIST
from vidnas.data.formats.rawframes import RAWFRAMES
from vidnas.data.formats.something import SOMETHING
from vidnas.data.formats.ucf101 import UCF101

FORMATS = (
    CLASS_FOLDERS,
    CSV_TABLE,
    FRAME_FOLDERS,
    RAWFRAMES,
    PATH_LIST,
    ACTIVITYNET,
    CHARADES,
    CHARADES_FRAMES,
    HMDB51,
    JESTER,
    KINETICS,
    MOMENTS,
    SOMETHING,
    UCF101,
)
"""From general to particular: the last that recognises a source reads it."""

__all__ = ["FORMATS", "Entry", "Format", "Reading"]
