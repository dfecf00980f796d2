"""Pictures of labelled clips: a contact sheet, and what a check found."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from vidnas.core import ClipSpec
from vidnas.data.check import CheckReport
from vidnas.data.datasets import Dataset
from vidnas.data.preview import preview_clips
from vidnas.report.bars import draw_bars
from vidnas.report.contact_sheet import SheetRow, draw_sheet
from vidnas.report.drawing import save_picture
from vidnas.training.settings import AUGMENTATION
from vidnas.workflows.listener import Listener


def write_sheet(
    dataset: Dataset,
    out: Path,
    listener: Listener,
    *,
    count: int,
    frames: int,
    size_px: int,
    flip: bool,
    seed: int,
) -> int:
    """Draw the frames of some clips, with label and split; return how many clips they are.

    Args:
        dataset: labelled clips.
        out: the .png or .svg to write.
        listener: is told of the decoding, and of videos that cannot be decoded.
        count: how many clips, of all classes alike.
        frames: of each clip, spread evenly over the video.
        size_px: side of a frame.
        flip: whether training mirrors clips.
        seed: of the choice and of the augmentation.

    Raises:
        UserError: the clips cannot be used, or the picture has another ending.
    """
    for remark in dataset.remarks:
        listener.remark(remark)
    previews, problems = preview_clips(
        dataset,
        ClipSpec(frames=frames, frame_stride=1, size_px=size_px, sampling="uniform"),
        count=count,
        augmentation=AUGMENTATION.model_copy(update={"flip": flip}),
        rng=np.random.default_rng(seed),
        on_progress=partial(listener.progress, "Decoding"),
    )
    for problem in problems:
        listener.remark(f"{problem.path} is left out: {problem.reason}.")
    rows = [
        SheetRow(
            label=dataset.names(one.video.labels),
            details=(one.video.split, dataset.relative(one.video.path)),
            frames=one.frames,
        )
        for one in previews
    ]
    note = (
        f"{len(rows)} of {len(dataset.videos)} videos. Clips of the split train are cut and varied "
        "as in training, the others as in testing."
    )
    save_picture(draw_sheet(dataset.source.resolve().name, note, rows), out)
    return len(rows)


def write_check(report: CheckReport, title: str, path: Path) -> None:
    """Draw the numbers of videos per class, and their lengths, rates and sizes.

    Raises:
        UserError: the file is to be something else than an .svg or a .png.
    """
    save_picture(draw_bars(title, report.spreads), path)
