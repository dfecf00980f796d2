"""`vidnas data`: check labelled clips, compute their optical flow, or generate some."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vidnas.cli.console import JsonOption, counting, messages, print_json, results
from vidnas.core import UserError

if TYPE_CHECKING:
    from vidnas.data.check import CheckReport

app = typer.Typer(help="Check labelled clips, compute their flow, or generate some to try on.")


class MethodName(str, Enum):
    """How optical flow is estimated."""

    dis = "dis"
    tvl1 = "tvl1"
    farneback = "farneback"


@app.command("check")
def check(
    clips: Annotated[Path, typer.Argument(help="A folder of class folders, or a CSV.")],
    seed: Annotated[int, typer.Option(help="For splits that are not given.")] = 0,
    json: JsonOption = False,
) -> None:
    """Decode every video; name those that are unreadable, empty, too short or duplicates.

    Exits with 2 when what is left cannot be trained on.

    Example: vidnas data check clips/
    """
    from vidnas.data.check import check_dataset
    from vidnas.data.datasets import load_dataset

    dataset = load_dataset(clips, seed=seed)
    with counting("Checking") as progress:
        report = check_dataset(dataset, progress)
    if json:
        print_json(report.model_dump(mode="json") | {"usable": report.usable})
    else:
        _print(report)
    if not report.usable:
        raise UserError(
            f"{clips}: after leaving out the unusable videos, a split is empty or a class has "
            "nothing to train on; replace the videos that are named."
        )


@app.command("flow")
def flow(
    clips: Annotated[Path, typer.Argument(help="A folder of class folders, or a CSV.")],
    method: Annotated[
        MethodName | None,
        typer.Option(help="What the cache has, or else dis; tvl1 needs another build of OpenCV."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=16, help="Short side of the frames, in pixels; the videos', up to 128."),
    ] = None,
    seed: Annotated[int, typer.Option(help="For splits that are not given.")] = 0,
    json: JsonOption = False,
) -> None:
    """Compute optical flow once, into the clip cache, for networks that take it as input.

    A search with `--input flow` on clips of the same size and seed finds it there, or computes it.
    The size at which it is estimated is that of the videos, up to 256 pixels.

    Example: vidnas data flow clips/
    """
    from vidnas.data.flow import STEP_PX
    from vidnas.workflows.clips import open_clips

    cache = open_clips(
        clips,
        size_px=size,
        seed=seed,
        modalities=("flow",),
        flow_method=method.value if method else None,
    )
    _, std = cache.statistics("flow")
    across, down = (std * 255 * STEP_PX).tolist()
    if json:
        print_json(
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
    results.print(
        f"Flow of {len(cache)} videos ({cache.flow_method}), {cache.size_px} px, in "
        f"{escape(str(cache.directory))}.",
        soft_wrap=True,
    )
    results.print(
        f"Standard deviation of motion: {across:.2f} px across, {down:.2f} px down, a frame."
    )
    if max(across, down) < STEP_PX:
        messages.print(
            f"[yellow]Note:[/] this is less than one of the 8-bit steps of {STEP_PX:.2f} px; "
            "larger videos, or fewer frames per second, would show more of it."
        )


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")],
    classes: Annotated[int, typer.Option(min=2, max=12, help="How many classes.")] = 8,
    clips_per_class: Annotated[int, typer.Option(min=3, help="How many clips of each.")] = 60,
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="The same seed gives the same clips.")] = 0,
) -> None:
    """Generate clips whose classes differ only in motion, as mp4 files in class folders.

    Example: vidnas data demo demo-clips
    """
    from vidnas.data.demo import MOTIONS, write_clips

    names = list(MOTIONS)[:classes]
    with counting("Generating") as progress:
        write_clips(
            out,
            classes=names,
            clips_per_class=clips_per_class,
            size_px=size,
            seed=seed,
            on_progress=progress,
        )
    total = len(names) * clips_per_class
    messages.print(f"{total} clips in {escape(str(out))}: {', '.join(names)}.", soft_wrap=True)


def _print(report: CheckReport) -> None:
    for remark in report.remarks:
        messages.print(f"[yellow]Note:[/] {escape(remark)}", soft_wrap=True)
    table = Table("class", *report.counts)
    for label, name in enumerate(report.classes):
        table.add_row(escape(name), *(str(counts[label]) for counts in report.counts.values()))
    table.add_section()
    table.add_row("all", *(str(sum(counts)) for counts in report.counts.values()))
    results.print(table)
    results.print(
        f"Frames a video: {report.frames_min} to {report.frames_max}, "
        f"median {report.frames_median}."
    )
    for problem in report.problems:
        colour = "red" if problem.kind == "unusable" else "yellow"
        line = f"[{colour}]{problem.kind}[/] {escape(problem.path)}: {escape(problem.reason)}"
        results.print(line, soft_wrap=True)
    if not report.problems:
        results.print("[green]No problems found.[/]")
