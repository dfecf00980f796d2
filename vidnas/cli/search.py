"""`vidnas search`: from clips and a limit to a trained, tested and exported network."""

from __future__ import annotations

import json as jsons
from typing import TYPE_CHECKING, Any

from vidnas.cli.console import Json, say, show, show_json
from vidnas.cli.live import Display
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
    test, latency = result.test, result.cost.latency
    show(
        (f"{test.top1:.1%}", "bold"),
        f" top-1 on {test.clips} unseen clips ({test.top5:.1%} top-5, {test.mean_class:.1%} mean "
        "class)",
    )
    if latency is not None:
        show(
            (format_ms(latency.p50_ms), "bold"),
            f" per clip on this machine ({latency.protocol.runtime}, "
            f"{latency.protocol.threads} thread(s))",
            ("" if result.within_limits else "  over the limit", "red"),
        )
    show(f"model   {result.model}")
    show(f"ONNX    {result.onnx} (largest difference from torch {result.export_difference:.1e})")
    show(f"report  {result.report}")
    say(f"Took {format_duration(result.seconds)}. Try it: vidnas predict {request.out} VIDEO")


def _record(result: SearchResult) -> dict[str, Any]:
    from vidnas.deploy.model import load_architecture

    return {
        "trial": result.trial,
        "architecture": jsons.loads(load_architecture(result.model).to_json()),
        "test": result.test.model_dump(mode="json"),
        "cost": result.cost.model_dump(mode="json"),
        "within_limits": result.within_limits,
        "export_difference": result.export_difference,
        "model": str(result.model),
        "onnx": str(result.onnx),
        "report": str(result.report),
        "seconds": result.seconds,
    }
