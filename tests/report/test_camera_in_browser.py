"""The camera of a page that runs its network: what is dropped meanwhile is what is shown.

Skipped where there is no Playwright or no Chromium.
"""

from __future__ import annotations

from typing import Any

import pytest
from page_toys import report

from vidnas.report.in_browser import InBrowser
from vidnas.report.page import write_report

RUNTIME = """
export const env = {wasm: {}};
export class Tensor {}
const network = {inputNames: ["clip"], outputNames: ["logits"], run: async () => ({logits: {data: [0, 9]}})};
export const InferenceSession = {create: async () => network};
"""  # noqa: E501
CLIPS = {
    "classes": ["a", "b"], "rate_fps": 30, "clips_per_video": 1, "activation": "softmax",
    "inputs": [{"frames": 2, "frame_stride": 1, "size_px": 8, "sampling": "uniform"}],
}  # fmt: skip
CAMERA = """
const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
window.painting = setInterval(() => context.fillRect(0, 0, 9, performance.now() % 9), 20);
window.camera = canvas.captureStream(30);
navigator.mediaDevices.getUserMedia = async () => window.camera;
"""


@pytest.fixture
def filmed(visit: Any, tmp_path: Any) -> Any:
    """A page that shows what its camera sees."""
    made = InBrowser(b"network", RUNTIME, b"\0asm", CLIPS)
    page = visit(write_report(report(in_browser=made), tmp_path / "page.html").as_uri())
    page.evaluate(f"() => {{{CAMERA}}}")
    page.click("#try-camera")
    page.wait_for_function("document.getElementById('try-said').textContent.includes('camera saw')")
    assert page.get_attribute("#try-camera", "aria-pressed") == "true"
    return page


def is_off(page: Any) -> bool:
    live = "window.camera.getTracks().some((track) => track.readyState === 'live')"
    return page.get_attribute("#try-camera", "aria-pressed") == "false" and not page.evaluate(live)


def test_a_file_turns_the_camera_off(filmed: Any) -> None:
    wrong = {"name": "no.mp4", "mimeType": "video/mp4", "buffer": b"no video"}
    filmed.set_input_files("#try-file", [wrong])
    said = filmed.locator("#try-said")
    filmed.wait_for_function("document.getElementById('try-said').textContent.includes('not work')")
    assert is_off(filmed)
    filmed.wait_for_timeout(700)  # the camera speaks every half second
    assert said.inner_text() == "That did not work: this browser cannot read it."


def test_the_button_turns_the_camera_off(filmed: Any) -> None:
    filmed.click("#try-camera")
    assert is_off(filmed)
    filmed.wait_for_timeout(700)
    assert filmed.locator("#try-said").inner_text() == "The camera is off."
