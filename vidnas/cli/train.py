"""`vidnas train`: one architecture, trained in full, tested and saved."""

from __future__ import annotations

from vidnas.cli.console import Json, say, show, show_json
from vidnas.cli.live import Display
from vidnas.cli.scores import show_metrics, show_time_use
from vidnas.core.durations import format_duration
from vidnas.workflows.request import TrainRequest


def command(request: TrainRequest, *, json: Json = False) -> None:
    """Train an architecture from scratch, test it on unseen clips and save it as a model.

    The same command resumes a training run that was stopped; Ctrl-C loses at most
    a minute.

    For example:

        vidnas train clips/ tvn1 --train-time 10m
    """
    from vidnas.workflows.train import run

    with Display() as display:
        result = run(request, display)
    card = result.model.card
    if json:
        show_json({"model": str(result.folder), **card.model_dump(mode="json")})
        return
    if card.test is not None:
        title = f"{request.architecture} on the test clips"
        show_metrics(card.test, result.model.classes, title)
        show_time_use(card)
    show(f"model  {result.folder}")
    say(
        f"Trained {result.epochs:.1f} epochs in {format_duration(result.seconds)}. "
        f"Try it: vidnas predict {result.folder} VIDEO"
    )
