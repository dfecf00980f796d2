"""What the original TensorFlow implementations saved: checkpoints read, networks filled.

TensorFlow is not needed. The one reader on PyPI that does without, tensorflow-checkpoint-reader
0.2.2 of 2023, translates 25,000 lines of TensorFlow to Python and calls itself unfinished.
"""

from vidnas.official.checkpoint import Checkpoint, open_checkpoint
from vidnas.official.importing import Imported, count_classes, import_network
from vidnas.official.variables import load_variables

__all__ = [
    "Checkpoint",
    "Imported",
    "count_classes",
    "import_network",
    "load_variables",
    "open_checkpoint",
]
