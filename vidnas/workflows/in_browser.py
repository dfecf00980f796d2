"""A study's page that runs its network itself, on videos that are dropped on it."""

from __future__ import annotations

from pathlib import Path

from vidnas.core import UserError
from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.deploy.model import load_architecture
from vidnas.deploy.shipping import ONNX_FILE
from vidnas.evolution.study import Study
from vidnas.report.in_browser import InBrowser
from vidnas.report.page import write_report
from vidnas.workflows.page import BEST_FOLDER, read_report, read_title, read_winner
from vidnas.workflows.web_runtime import web_runtime

RUNTIME_PAGE_FILE = "report-with-runtime.html"
"""Not `report.html`, which every search in the folder and `vidnas page` replace."""
_USUAL_RATE_FPS = 25.0
"""Where videos are read at their own rate, which no browser tells."""


def write_page_with_runtime(folder: Path) -> Path:
    """Write `report-with-runtime.html`: the page of a study as it is now, with its network and what
    runs it in a browser.

    Raises:
        UserError: the study is not finished, its network takes more than frames, or the runtime
            cannot be downloaded; and as `rewrite_page`.
    """
    study, title = Study.read(folder), read_title(folder)
    card, network = read_winner(folder), folder / BEST_FOLDER / ONNX_FILE
    if card is None or not network.is_file():
        raise UserError(
            f"{folder} has no exported network yet; let its search end, and ask for the page then."
        )
    inputs = load_architecture(folder / BEST_FOLDER).inputs
    if any(spec.modality != "rgb" for spec in inputs):
        raise UserError(
            f"The network of {folder} takes optical flow, which no browser computes; leave out "
            "--with-runtime."
        )
    runtime = web_runtime()
    clips = {
        "classes": study.config.classes,
        "inputs": [spec.model_dump() for spec in inputs],
        "rate_fps": card.rate_fps or _USUAL_RATE_FPS,
        "clips_per_video": CLIPS_PER_VIDEO,
        "activation": card.task.activation,
    }
    in_browser = InBrowser(network.read_bytes(), runtime.script, runtime.wasm, clips)
    return write_report(read_report(study, title, in_browser), folder / RUNTIME_PAGE_FILE)
