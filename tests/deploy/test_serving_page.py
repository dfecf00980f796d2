"""The page of the server in a browser: dropped videos become scores, and nothing else is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from served import serving, tiny_model

from vidnas.data.demo import write_clips


@pytest.mark.parametrize("width", [400, 1000])
def test_videos_are_scored(browser: Any, tmp_path: Path, width: int) -> None:
    write_clips(tmp_path, classes=["right"], clips_per_class=1)
    (good,) = tmp_path.rglob("*.mp4")
    bad = tmp_path / "<b>no video.mp4"
    bad.write_bytes(b"no video")
    asked: list[str] = []
    names = ("left", "<img src=x onerror=alert(1)>", "a name of many words that goes on and on")
    with serving(tiny_model(*names)) as client:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark")
        page.on("request", lambda request: asked.append(request.url))
        page.goto(str(client.base_url))
        page.set_input_files("#choose", [good, bad])
        page.wait_for_selector("article .bar")
        page.wait_for_selector("article .bad")
        shown = page.inner_text("main")
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        pictures = page.locator("img").count()
        page.close()
    assert all(name in shown for name in (*names, bad.name, good.name))
    assert "The video cannot be used: cannot be decoded" in shown
    assert (overflow, pictures) == (0, 0)
    assert {url.partition(str(client.base_url))[0] for url in asked} <= {"", "blob:"}


def test_what_a_proxy_refuses_is_said(browser: Any, tmp_path: Path) -> None:
    """As nginx does with more than a megabyte, before the server hears of it."""
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"x")
    with serving(tiny_model()) as client:
        page = browser.new_page()
        page.route(
            "**/predict",
            lambda route: route.fulfill(status=413, content_type="text/html", body="<html></html>"),
        )
        page.goto(str(client.base_url))
        page.set_input_files("#choose", [clip])
        page.wait_for_selector("article .bad")
        said = page.inner_text("article .bad")
        page.close()
    assert said == (
        "The server, or a proxy before it, answered 413: the video is too large for it."
    )
