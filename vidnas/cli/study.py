"""`vidnas study`: new studies from old ones."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import App, Parameter
from pydantic import NonNegativeInt

from vidnas.cli.console import say, show
from vidnas.cli.live import Display
from vidnas.core.text import counted
from vidnas.workflows.options import Limits, RecordedRequest, Storage
from vidnas.workflows.request import SearchRequest, StrategyName

app = App(
    name="study",
    help="Start a study with the trials of others. To move or copy one, move or copy its folder.",
)


class ForkRequest(RecordedRequest):
    """What `vidnas study fork` is asked for."""

    study: Path
    """Folder of the study to take trials from."""
    new: Path
    """Folder of the new study."""
    trials: NonNegativeInt | None = None
    """Number of trials to take, the first ones; all by default."""
    limits: Limits = ()
    strategy: StrategyName | None = None
    """Strategy of the new study; that of the old one by default."""
    clips: Path | None = None
    """Labelled clips: those of the new study, where they are not those of the old one any more."""
    storage: Storage = None


class MergeRequest(RecordedRequest):
    """What `vidnas study merge` is asked for."""

    studies: Annotated[tuple[Path, ...], Parameter(metavar="STUDY")]
    """Folders of studies, two or more."""
    out: Path = Path("merged")
    """Folder of the new study."""


@app.command
def fork(request: ForkRequest) -> None:
    """Start a new study with the trials of another, under other limits or another strategy.

    Space, clips, training and seed stay the same, because trials could not be
    compared otherwise. Under other limits they are judged anew; none is trained
    again. Without --limit, the limits stay. Where clips were added, removed or changed,
    --clips takes the trials along, with the fitness that they had.

    For example:

        vidnas study fork study faster --limit latency=20ms

        vidnas search clips/ --out faster --limit latency=20ms --evaluations 200
    """
    from vidnas.workflows import studies

    with Display() as display:
        count = studies.fork(
            request.study,
            request.new,
            display,
            trials=request.trials,
            limits=request.limits,
            strategy=request.strategy,
            clips=request.clips,
            storage=request.storage,
        )
    _tell(request.new, count)


@app.command
def merge(request: MergeRequest) -> None:
    """Put the trials of several studies of the same space, clips and training into a new one.

    Limits, strategy and seed are those of the first. Where no splits are given, the seed
    draws them, and has to be the same. An architecture that several have tried is kept once.

    For example:

        vidnas study merge monday tuesday --out both
    """
    from vidnas.workflows import studies

    with Display() as display:
        count = studies.merge(request.studies, request.out, display)
    _tell(request.out, count)


def _tell(folder: Path, count: int) -> None:
    show(f"{folder} starts with {counted(count, 'trial')}")
    asked, said = SearchRequest.read(folder), []
    for name in ("family", "strategy", "runtime", "latency_threads", "target", "seed"):
        if (value := getattr(asked, name)) != SearchRequest.model_fields[name].default:
            said.append(f"{SearchRequest.option(name)} {quote(str(value))}")
    said += [f"--limit {limit}" for limit in asked.limits]
    words = ["vidnas search", quote(str(asked.clips)), "--out", quote(str(folder)), *said]
    say(f"Continue with: {' '.join(words)} --evaluations TOTAL ...")
