"""`vidnas predict`: what a model sees in videos, long ones and live ones among them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidnas.cli.console import Json, json_entries, results, say, show
from vidnas.cli.live import Display
from vidnas.cli.predictions import PredictRequest, chosen, show_event, warn_of_guessing
from vidnas.core import NotFinite, UserError
from vidnas.core.text import counted

if TYPE_CHECKING:
    from vidnas.deploy import Model as Trained
    from vidnas.deploy.timeline import Timeline

Scores = dict[str, float]


def command(request: PredictRequest, *, json: Json = False) -> None:
    """Name the most likely classes of videos, or all that each shows, as soon as they are known.

    Videos longer than half a minute, and than three of those that the model was trained on,
    have a timeline: the events in them, from when to when. Videos that cannot be read are
    named on standard error, and the rest goes on; the exit code is then 2. With --json, one
    object with an entry per video.

    Of a camera or a stream, the newest frames are classified until it ends or Ctrl-C; with --json,
    one object per line.

    For example:

        vidnas predict study clip.mp4 more-clips/ --top 3
        vidnas predict study match.mp4 --out timelines
        vidnas predict study rtsp://192.168.0.10/stream --json
    """
    from vidnas.cli.predict_live import predict_live
    from vidnas.data.reading.live import live_source

    sources = [live_source(name) for name in request.videos]
    live = [source for source in sources if source is not None]
    if not live:
        _predict_files(request, json=json)
        return
    if len(sources) > 1:
        raise UserError(f"{live[0]} is live, and never done; give it alone.")
    if request.out is not None:
        raise UserError(
            f"--out is for files, and {live[0]} is live; pipe its answers to a file with --json."
        )
    predict_live(request, live[0], json=json)


def _predict_files(request: PredictRequest, *, json: bool) -> None:
    from vidnas.data.reading import VideoError
    from vidnas.data.video_files import find_videos
    from vidnas.deploy import load_model
    from vidnas.deploy.timeline_files import NotOurs

    model, files = load_model(request.model), find_videos(map(Path, request.videos))
    failed: list[Exception] = []
    warn_of_guessing(model)

    def fail(error: Exception) -> None:
        failed.append(error)
        if total > 1:
            say(("Failed: ", "red"), str(error))

    total = len(files.paths) + len(files.problems)
    printing = json_entries() if json else nullcontext(None)
    with Display() as display, printing as entry:
        predict = _predictor(request, model, display, json=json)
        for problem in files.problems:
            fail(problem)
        for done, video in enumerate(files.paths, start=1):
            try:
                found = predict(video)
            except (VideoError, NotOurs) as error:
                fail(error)
            except NotFinite as error:
                fail(UserError(f"{video}: {error}"))
            else:
                if entry:
                    entry(str(video), _record(found))
                else:
                    _show(str(video), found)
            if total > 1 and not results.is_terminal:  # there, the results show how far it is
                display.progress("Predicting", done, len(files.paths))
    if failed:
        if total == 1:
            raise failed[0]
        of = f"of {total} videos"
        without = counted(len(failed), f"{of} has", f"{of} have")
        raise UserError(f"{without} no prediction; see above for why.")


def _predictor(
    request: PredictRequest, model: Trained, display: Display, *, json: bool
) -> Callable[[Path], Scores | Timeline]:
    """Return what finds the classes of a video with their scores, or its timeline."""
    from vidnas.deploy import predict_video
    from vidnas.deploy.timeline_files import TimelineFolder
    from vidnas.deploy.windows import is_long, predict_timeline

    folder = None if request.out is None else TimelineFolder(request.out)

    def predict(video: Path) -> Scores | Timeline:
        files = None if folder is None else folder.files_of(video)
        if files is None and not is_long(model, video):
            scores = predict_video(model, video)
            return chosen(scores, request, model.card.multi_label, json=json)
        timeline = predict_timeline(
            model,
            video,
            smoothing_s=request.smoothing_s,
            threshold=request.threshold,
            on_progress=partial(display.progress, f"Predicting {video.name}"),
        )
        if files is not None:
            files.write(timeline)
        return timeline

    return predict


def _record(found: Scores | Timeline) -> dict[str, Any]:
    """Return what was found as JSON has it."""
    from vidnas.deploy.timeline_files import timeline_record

    return found if isinstance(found, dict) else timeline_record(found)


def _show(video: str, found: Scores | Timeline) -> None:
    show((video, "bold"))
    if isinstance(found, dict):
        for name, score in found.items():
            show(f"  {score:6.1%}  {name}")
        if not found:
            show("  no class reaches the threshold")
        return
    from vidnas.deploy.timeline_files import event_record

    for event in found.events:
        show_event(event_record(event))
    if not found.events:
        show("  no class reaches the threshold at any time")
