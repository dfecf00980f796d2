"""What the page tells of the answer besides its metrics: its mistakes, and its time by block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from vidnas.core.text import cause_of
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.deploy.model import Model
from vidnas.profiling.blocks import profile_blocks
from vidnas.workflows.listener import Listener
from vidnas.workflows.mistakes import find_mistakes
from vidnas.workflows.records import write_record

MISTAKES_FILE = "mistakes.json"
BLOCKS_FILE = "blocks.json"


def examine(
    model: Model,
    cache: ClipCache,
    folder: Path,
    listener: Listener,
    *,
    finished: Path,
    threads: int = 1,
) -> None:
    """Record beside a model what it confuses and where its milliseconds go.

    What goes wrong is said and ends nothing: the model is there without it.

    Args:
        model: the answer of a search.
        cache: the clips.
        folder: where the records go; it holds none.
        listener: is told what goes wrong.
        finished: where the model was finished.
        threads: with which it is timed.
    """
    records: dict[str, Callable[[], Value | None]] = {
        BLOCKS_FILE: partial(profile_blocks, model.network, threads=threads),
        MISTAKES_FILE: partial(find_mistakes, model, cache, finished),
    }
    for name, find in records.items():
        try:
            if (record := find()) is not None:
                write_record(record, folder / name)
        except Exception as error:  # whatever it is, the network is finished
            listener.remark(f"The page will not show all of the answer ({cause_of(error)}).")
