"""`vidnas data`: check or show labelled clips, compute their optical flow, or generate some."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App
from pydantic import Field, PositiveInt

from vidnas.cli.console import Json, say, show_bars, show_json, show_table
from vidnas.cli.console import show as print_line  # `show` is a command here
from vidnas.cli.live import Display
from vidnas.core import UserError
from vidnas.core.quantities import format_bytes
from vidnas.core.text import counted
from vidnas.workflows.options import (
    CacheSize,
    Clips,
    Flip,
    Format,
    Request,
    Seed,
    Size,
    VideoFolder,
)

if TYPE_CHECKING:
    from vidnas.data.check import CheckReport

app = App(
    name="data",
    help="Check or show labelled clips, compute their flow, or generate some to try on.",
)


class CheckRequest(Request):
    """What `vidnas data check` is asked for."""

    clips: Clips
    format: Format = None
    video_folder: VideoFolder = None
    seed: Seed = 0
    picture: Path | None = None
    """The .svg or .png to draw the bars into as well."""


class ShowRequest(Request):
    """What `vidnas data show` is asked for."""

    clips: Clips
    format: Format = None
    video_folder: VideoFolder = None
    out: Path = Path("sheet.png")
    """The .png or .svg to write."""
    count: PositiveInt = 16
    """Number of clips, of all classes alike."""
    frames: PositiveInt = 8
    """Number of frames of each, spread evenly over the video."""
    size_px: Annotated[int, Field(ge=16)] = 96
    """Short side of the frames, in pixels; they are square."""
    flip: Flip = False
    seed: Seed = 0


class FlowRequest(Request):
    """What `vidnas data flow` is asked for."""

    clips: Clips
    format: Format = None
    video_folder: VideoFolder = None
    method: Literal["dis", "tvl1", "farneback"] | None = None
    """How flow is estimated; by default as in the cache, or else dis; tvl1 needs another build of
    OpenCV."""
    size_px: Size = None
    cache_size_bytes: CacheSize = None
    seed: Seed = 0


class CacheRequest(Request):
    """What `vidnas data cache` is asked for."""

    clear: str | None = None
    """Name of a cache to remove, or all; one that is in use stays."""


_LIST_ALL = CacheRequest()


class DemoRequest(Request):
    """What `vidnas data demo` is asked for."""

    out: Path
    """Folder to make; it must not exist."""
    classes: Annotated[int, Field(ge=2, le=12)] = 8
    """Number of classes."""
    clips_per_class: Annotated[int, Field(ge=3)] = 60
    """Number of clips of each class."""
    size_px: Annotated[int, Field(ge=16)] = 64
    """Short side of the frames, in pixels; the clips are square."""
    seed: Seed = 0


@app.command
def check(request: CheckRequest, *, json: Json = False) -> None:
    """Decode every video; name those that are unreadable, empty, too short or duplicates.

    Shows how many there are of each class, length, frame rate and size. Exits with 2 when
    what is left cannot be trained on.

    For example:

        vidnas data check clips/
    """
    from vidnas.data.check import check_dataset
    from vidnas.data.datasets import load_dataset

    dataset = load_dataset(
        request.clips, seed=request.seed, format=request.format, video_folder=request.video_folder
    )
    with Display() as display:
        report = check_dataset(dataset, partial(display.progress, "Checking"))
        for remark in report.remarks:
            display.remark(remark)
    if json:
        show_json(report.model_dump(mode="json") | {"usable": report.usable})
    else:
        _show(report)
    if request.picture is not None:
        from vidnas.workflows.pictures import write_check

        write_check(report, request.clips.resolve().name, request.picture)
    if not report.usable:
        lack = "a split is empty or a class has nothing to train on"
        if report.multi_label:
            lack = "no video of a split shows a class"
        raise UserError(
            f"{request.clips}: after leaving out the unusable videos, {lack}; replace the videos "
            "that are named."
        )


@app.command
def show(request: ShowRequest) -> None:
    """Draw a contact sheet: frames of some clips in rows, with their labels and splits.

    Clips to train on are cut and varied as in training.

    For example:

        vidnas data show clips/ --out sheet.png
    """
    from vidnas.data.datasets import load_dataset
    from vidnas.workflows.pictures import write_sheet

    with Display() as display:
        write_sheet(
            load_dataset(
                request.clips,
                seed=request.seed,
                format=request.format,
                video_folder=request.video_folder,
            ),
            request.out,
            display,
            count=request.count,
            frames=request.frames,
            size_px=request.size_px,
            flip=request.flip,
            seed=request.seed,
        )
    print_line(str(request.out))


@app.command
def flow(request: FlowRequest, *, json: Json = False) -> None:
    """Compute optical flow once, into the clip cache, for networks that take it as input.

    A search with --input flow on clips of the same size and seed finds it there, or
    computes it. It is estimated at the size of the videos, up to 256 pixels.

    For example:

        vidnas data flow clips/
    """
    from vidnas.data.datasets import load_dataset
    from vidnas.data.flow import STEP_PX
    from vidnas.workflows.clips import open_clips

    with Display() as display:
        cache = open_clips(
            load_dataset(
                request.clips,
                seed=request.seed,
                format=request.format,
                video_folder=request.video_folder,
            ),
            display,
            size_px=request.size_px,
            modalities=("flow",),
            flow_method=request.method,
            flow_in_use=True,
            cache_bytes=request.cache_size_bytes,
        )
    _, std = cache.statistics("flow")
    across, down = (std * 255 * STEP_PX).tolist()
    if json:
        show_json(
            {
                "cache": str(cache.directory),
                "method": cache.flow_method,
                "size_px": cache.size_px,
                "videos": len(cache),
                "skipped": len(cache.skipped),
                "motion_px": {"across": across, "down": down},
            }
        )
        return
    print_line(
        f"Flow of {counted(len(cache), 'video')} ({cache.flow_method}), {cache.size_px} px, in "
        f"{cache.directory}."
    )
    print_line(
        f"Standard deviation of motion per frame: {across:.2f} px across, {down:.2f} px down."
    )
    if max(across, down) < STEP_PX:
        display.remark(
            f"This is less than one of the 8-bit steps of {STEP_PX:.2f} px; larger videos, or "
            "fewer frames per second, would show more of it."
        )


@app.command
def cache(request: CacheRequest = _LIST_ALL, *, json: Json = False) -> None:
    """List the clip caches of this machine, the one that was not used for longest first, or remove
    some.

    They lie in ~/.cache/vidnas, or in the folder that the variable VIDNAS_CACHE names.

    For example:

        vidnas data cache --clear all
    """
    from vidnas.data.cache import state_of
    from vidnas.data.cache_folder import clear_caches, default_directory, list_caches

    if request.clear is not None:
        for entry, removed in clear_caches(default_directory(), request.clear):
            what = "removed" if removed else "is in use and stays"
            say(f"{entry.directory.name} {what} ({format_bytes(entry.size_bytes)}).")
    entries = [(entry, state_of(entry)) for entry in list_caches(default_directory())]
    if json:
        show_json(
            [
                {
                    "folder": str(entry.directory),
                    "source": entry.source,
                    "size_bytes": entry.size_bytes,
                    "last_used": datetime.fromtimestamp(entry.last_used).isoformat(),
                    "state": state,
                }
                for entry, state in entries
            ]
        )
        return
    for entry, state in entries:
        last_used = f"{datetime.fromtimestamp(entry.last_used):%Y-%m-%d %H:%M}"
        print_line((entry.directory.name, "bold"))
        print_line(f"  {state}, {format_bytes(entry.size_bytes)}, last used {last_used}")
        print_line(f"  {entry.source or 'clips of an unknown place'}")
    total = sum(entry.size_bytes for entry, _ in entries)
    print_line(f"Caches in {default_directory()}: {len(entries)}, {format_bytes(total)}.")


@app.command
def demo(request: DemoRequest) -> None:
    """Generate clips whose classes differ only in motion, as mp4 files in class folders.

    For example:

        vidnas data demo demo-clips
    """
    from vidnas.data.demo import MOTIONS, write_clips

    names = list(MOTIONS)[: request.classes]
    with Display() as display:
        write_clips(
            request.out,
            classes=names,
            clips_per_class=request.clips_per_class,
            size_px=request.size_px,
            seed=request.seed,
            on_progress=partial(display.progress, "Generating"),
        )
    total = len(names) * request.clips_per_class
    say(f"{counted(total, 'clip')} in {request.out}: {', '.join(names)}.")


def _show(report: CheckReport) -> None:
    rows = [
        (name, *(str(counts[label]) for counts in report.counts.values()))
        for label, name in enumerate(report.classes)
    ]
    totals = ("all", *(str(sum(counts)) for counts in report.counts.values()))
    show_table("class", figures=list(report.counts), rows=[*rows, (), totals])
    for title, bars in report.spreads.items():
        print_line()
        show_bars(title, bars)
    print_line()
    print_line(
        f"Frames per video: {report.frames_min} to {report.frames_max}, "
        f"median {report.frames_median}."
    )
    for problem in report.problems:
        colour = "red" if problem.kind == "unusable" else "yellow"
        print_line((problem.kind, colour), f" {problem.path}: {problem.reason}")
    if not report.problems:
        print_line(("No problems found.", "green"))
