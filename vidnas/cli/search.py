"""`vidnas search`: from clips and a limit to a trained, tested and exported network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vidnas.cli.console import Json, say, show, show_json
from vidnas.cli.live import Display
from vidnas.cli.scores import show_headline, show_time_use
from vidnas.core.durations import format_duration
from vidnas.core.quantities import format_ms
from vidnas.workflows.request import SearchRequest

if TYPE_CHECKING:
    from vidnas.workflows.search_clips import SearchResult


def command(request: SearchRequest, *, json: Json = False) -> None:
    """Evolve a network for your clips within a run-time limit; train, test, export and explain it.

    The same command resumes a search that was stopped, by Ctrl-C or by a power cut:
    every finished evaluation is kept.

    For example:

        vidnas search clips/ --limit latency=40ms --budget 30m
    """
    from vidnas.workflows.search_clips import run

    with Display() as display:
        result = run(request, display)
    if json:
        show_json(_record(result))
        return
    card = result.card
    if card.test is not None:
        show_headline(card.test, result.study.config.classes)
    show_time_use(card)
    if card.voters:
        show(f"answer  {card.name.capitalize()}; each alone is in {result.study.folder}/models.")
    if result.gain is not None:
        show(f"gained  {result.gain}")
    if card.cost is not None and (latency := card.cost.latency) is not None:
        show(
            (format_ms(latency.p50_ms), "bold"),
            f" per clip on {request.target or 'this machine'} ({latency.protocol.runtime}, "
            f"{latency.protocol.dtype}, {latency.protocol.threads} thread(s))",
        )
        if latency.doubt:
            show((f"        {latency.doubt}", "yellow"))
        if (frame := card.cost.frame_latency) is not None:
            show((format_ms(frame.p50_ms), "bold"), " per new frame of a stream")
        if broken := result.study.config.limits.judge(card.cost):
            show((f"        over the limit: {broken.reason}", "red"))
    show(f"model   {result.model}")
    if (shipped := card.shipped) is not None and result.file != result.onnx:
        show(f"ships   {result.file}: {shipped.facts}")
        for answers in shipped.answers:
            show(f"        {answers}")
    show(f"ONNX    {result.onnx} (largest difference from torch {card.export_difference:.1e})")
    if result.report is not None:
        show(f"report  {result.report}")
    say(f"Took {format_duration(result.seconds)}. Try it: vidnas predict {request.out} VIDEO")


def _record(result: SearchResult) -> dict[str, Any]:
    paths = {
        "model": result.model,
        "file": result.file,
        "onnx": result.onnx,
        "report": result.report,
    }
    named = {name: None if path is None else str(path) for name, path in paths.items()}
    return {**named, "card": result.card.model_dump(mode="json"), "seconds": result.seconds}
