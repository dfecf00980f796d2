"""The page as a browser shows it: offline, without errors, for mouse, keyboard and screen readers.

Skipped where there is no Playwright or no Chromium.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_toys import EVIL, TEST, TRIALS, cost, ok, report, trial

from vidnas.core import Evaluation
from vidnas.deploy import ModelCard
from vidnas.profiling.blocks import BlockTime, BlockTimes
from vidnas.report.mistakes import ConfusedClip, Mistakes, film_strip
from vidnas.report.page import write_report

NAMES = (f"{EVIL} \"quoted\" & 'so'", "walk &amp; run")


def study(**changes: Any):
    """A study with everything that a page can show."""
    other = TEST.model_copy(update={"top1": 0.6, "confusion": ((1, 2), (0, 2))})
    cards = [
        ModelCard(trial=3, cost=cost(8.0), validation=TEST, test=TEST),
        ModelCard(trial=0, cost=cost(4.0), validation=other, test=other),
    ]
    frames = np.zeros((4, 16, 16, 3), dtype=np.uint8)
    frames[:, :, :, 0] = np.arange(4)[:, None, None] * 60
    clip = ConfusedClip(
        video="a/b.mp4", truth=NAMES[0], taken=NAMES[1], probability=0.7, frames=4, size_px=16,
        strip=film_strip(frames), drops=(0.1, -0.2, 0.0, 0.05),
    )  # fmt: skip
    blocks = BlockTimes(
        runtime="onnxruntime 1", threads=1, runs=30,
        blocks=(BlockTime(name="units.0", ms=1.5, operators={"Conv": 1.5}),),
    )  # fmt: skip
    rejected = Evaluation(
        status="rejected", broken_limit="latency", reason="latency 99 ms > 10 ms", cost=cost(99.0)
    )
    fields = {
        "history": [*TRIALS, trial(6, rejected, 5, ("frames 8 -> 64",))],
        "classes": NAMES, "models": cards, "winner": cards[0],
        "mistakes": Mistakes(wrong=1, clips=(clip,)), "blocks": blocks,
    }  # fmt: skip
    return report(**{**fields, **changes})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(study(), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def opened(visit: Any, path: Path) -> Any:
    """Return what opens the page, without a network."""

    def open_page(width: int = 1400, scheme: str = "light", anchor: str = "") -> Any:
        address = f"{path.as_uri()}{anchor}"
        return visit(address, width=width, color_scheme=scheme, offline=True)

    return open_page


def point(page: Any, plot: str, trace: str, index: int) -> tuple[float, float]:
    """Return where a point of a plot lies in the window."""
    page.locator(f"#plot-{plot}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#plot-{plot} .main-svg")
    place = page.evaluate(
        """([plot, trace, index]) => {
          const div = document.getElementById(`plot-${plot}`), layout = div._fullLayout;
          const found = div._fullData.find((one) => one.name === trace);
          const box = div.getBoundingClientRect(), x = layout.xaxis, y = layout.yaxis;
          const left = x._offset + x.d2p(found.x[index]), top = y._offset + y.d2p(found.y[index]);
          return [box.x + left, box.y + top];
        }""",
        [plot, trace, index],
    )
    return place[0], place[1]


def test_every_plot_and_picture_is_drawn_offline(opened, draw_all) -> None:
    page = opened()
    draw_all(page)
    assert page.locator(".plot .main-svg").count() >= 5
    pictures = page.evaluate(
        "[...document.images].map((one) => one.complete && one.naturalWidth > 0)"
    )
    assert pictures and all(pictures)
    assert page.locator("#plot-cost .x2tick text").count() >= 3


def test_names_are_shown_as_they_are(opened, draw_all) -> None:
    page = opened()
    draw_all(page)
    ticks = page.locator("#plot-confusion-1 .ytick text").all_text_contents()
    assert sorted(one.strip() for one in ticks) == sorted(NAMES)


def test_the_slider_changes_the_network(opened, draw_all) -> None:
    page = opened()
    slider, said = page.locator("#limit"), page.locator("#limit-said")
    assert "trial 3" in said.inner_text() and "within 10 ms" in said.inner_text()
    slider.focus()
    page.keyboard.press("Home")
    assert "trial 0" in said.inner_text() and "within 4 ms" in said.inner_text()
    assert slider.get_attribute("aria-valuetext") == said.inner_text()
    shown = page.locator(".choice:visible")
    assert shown.count() == 1 and "60.0% test" not in shown.inner_text()[:9]
    assert "models/trial-0" in shown.inner_text() and "60.0% test" in shown.inner_text()
    draw_all(page)
    assert page.locator("#plot-confusion-0 .main-svg").count() >= 1
    page.keyboard.press("End")
    assert "models/trial-0" not in page.locator(".choice:visible").inner_text()


def test_the_slider_starts_at_the_answer(visit, tmp_path) -> None:
    """Though a dearer network validates better, and another one breaks the limit."""
    better = TEST.model_copy(update={"loss": 0.1})
    answer, dearer, slow = (
        ModelCard(trial=number, cost=cost(ms), validation=metrics, test=TEST)
        for number, ms, metrics in ((0, 4.0, TEST), (3, 8.0, better), (5, 12.0, better))
    )
    cheap = ModelCard(trial=7, cost=cost(1.0), validation=TEST.model_copy(update={"loss": 0.9}))
    history = [*study().history, trial(7, ok(0.4, 1.0))]
    found = study(history=history, models=[answer, dearer, slow, cheap], winner=answer)
    page = visit(write_report(found, tmp_path / "report.html").as_uri(), offline=True)
    said = page.locator("#limit-said")
    assert "within 4 ms: trial 0" in said.inner_text()
    assert "the answer" in page.locator(".choice:visible").inner_text()
    assert float(page.locator("#limit").input_value()) == pytest.approx(60, abs=1)
    page.locator("#limit").focus()
    page.keyboard.press("End")
    assert "within 10 ms: trial 3" in said.inner_text()
    page.keyboard.press("Home")
    assert "within 1 ms: trial 7" in said.inner_text()


@pytest.mark.parametrize(
    ("plot", "trace", "index", "number"),
    [("cost", "candidate", 2, 5), ("cost", "chosen", 0, 3), ("ladder", "rung 0", 0, 0)],
)
def test_a_click_opens_a_candidate(opened, plot, trace, index, number) -> None:
    page = opened()
    page.mouse.click(*point(page, plot, trace, index))
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    assert dialog.locator("h2").inner_text() == f"Trial {number}"
    assert dialog.locator(".drawing svg").is_visible()
    dialog.locator("summary").click()
    assert '"family": "tinyvideonet"' in dialog.locator("pre").inner_text()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_candidates_open_by_address_and_lead_to_their_family(opened) -> None:
    page = opened(anchor="#trial-6")
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    assert "rejected: latency 99 ms > 10 ms" in dialog.inner_text()
    dialog.get_by_role("link", name="trial 5").click()
    page.wait_for_function("document.querySelector('dialog h2').textContent === 'Trial 5'")
    dialog.get_by_role("link", name="trial 3").click()
    page.wait_for_function("document.querySelector('dialog h2').textContent === 'Trial 3'")
    assert f"{EVIL} on" in dialog.inner_text()
    dialog.get_by_role("button", name="Close").click()
    assert page.locator("dialog[open]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_pointed_at_can_be_read(opened, scheme) -> None:
    page = opened(scheme=scheme)
    page.mouse.move(*point(page, "cost", "candidate", 0))
    page.wait_for_selector("#plot-cost .hovertext")
    ink, paper = page.evaluate(
        """() => {
          const label = document.querySelector("#plot-cost .hovertext");
          const of = (tag) => getComputedStyle(label.querySelector(tag)).fill;
          return [of("text"), of("path")];
        }"""
    )
    assert _contrast(ink, paper) > 4.5


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_dark_is_dark(opened) -> None:
    found = [
        opened(scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert found[0] == "rgb(255, 255, 255)"
    assert _contrast(found[1], "rgb(255, 255, 255)") > 12


def test_a_narrow_page_hides_nothing_to_the_right(opened, draw_all) -> None:
    page = opened(width=400)
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    origin = page.get_by_role("columnheader", name="Came from").bounding_box()
    assert origin["x"] + origin["width"] <= 400


def test_confused_clips_play(opened) -> None:
    page = opened()
    button = page.locator(".film button").first
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    moves = page.evaluate("getComputedStyle(document.querySelector('.film img')).animationName")
    assert moves == "film"
    assert page.locator(".film .drops i").count() == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, draw_all, serious_violations, scheme) -> None:
    page = opened(scheme=scheme)
    draw_all(page)
    assert serious_violations(page) == []


def test_what_nobody_looks_at_is_not_drawn(opened) -> None:
    """A plot far below is neither drawn nor unpacked until somebody scrolls to it."""
    page = opened()
    drawn = (
        "[...document.querySelectorAll('.plot')].filter((one) => one.querySelector('svg')).length"
    )
    page.wait_for_timeout(300)
    before = page.evaluate(drawn)
    assert before < page.locator(".plot").count() - 3
    page.locator("#plot-tree").scroll_into_view_if_needed()
    page.wait_for_selector("#plot-tree .main-svg")
    assert page.evaluate(drawn) > before


def test_all_plots_are_drawn_before_they_are_printed(opened) -> None:
    """Printed otherwise, one that was never in sight says why it is blank."""
    page = opened()
    page.emulate_media(media="print")
    said = "getComputedStyle(document.getElementById('plot-tree'), '::after').content"
    assert "Not drawn yet" in page.evaluate(said)
    blank = (
        "[...document.querySelectorAll('.plot')]"
        ".filter((one) => one.offsetParent && !one.querySelector('.main-svg')).length"
    )
    assert page.evaluate(blank) > 0
    page.evaluate(f"window.print = () => {{ window.blank = {blank}; }}")
    page.keyboard.press("Control+p")
    page.wait_for_function("window.blank !== undefined")
    assert page.evaluate("window.blank") == 0
    assert "Not drawn yet" not in page.evaluate(said)
