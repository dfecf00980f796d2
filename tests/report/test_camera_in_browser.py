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


CLOCK = """
const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
window.painting = setInterval(() => {
  const level = Math.floor(performance.now() / 10) % 256;
  context.fillStyle = `rgb(${level}, ${level}, ${level})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
}, 10);
navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(60);
"""
SLOW = """
export const env = {wasm: {}};
export class Tensor { constructor(type, data) { this.data = data; } }
window.levels = [];
const run = async ({clip}) => {
  const began = performance.now();
  window.levels.push(Array.from({length: 20}, (_, at) => 255 * clip.data[64 * at + 27]));
  while (performance.now() - began < 400);
  return {logits: {data: [0, 9]}};
};
export const InferenceSession = {create: async () => ({inputNames: ["clip"], outputNames: ["logits"], run})};
"""  # noqa: E501


def test_a_slow_network_sees_the_camera_at_the_speed_of_life(visit: Any, tmp_path: Any) -> None:
    """Of 20 frames a second; the camera shows the time, a grey level for each 10 ms."""
    frames = {"frames": 20, "frame_stride": 1, "size_px": 8, "sampling": "dense"}
    made = InBrowser(b"network", SLOW, b"\0asm", CLIPS | {"rate_fps": 20, "inputs": [frames]})
    page = visit(write_report(report(in_browser=made), tmp_path / "page.html").as_uri())
    page.evaluate(f"() => {{{CLOCK}}}")
    page.click("#try-camera")
    page.wait_for_function("window.levels?.length > 5")
    seen = page.evaluate("window.levels")
    said = page.inner_text("#try-said")
    spans_ms = sorted(10 * ((clip[-1] - clip[0]) % 256) for clip in seen[1:])
    assert 0.8 < spans_ms[len(spans_ms) // 2] / (19 * 50) < 1.2
    assert said == "What the camera saw in the last 1.0 s."
