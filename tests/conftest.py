import os
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import settings

# Test processes run side by side: the threads of one, waiting for each other, hold up the rest.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

pytest.register_assert_rewrite("vidnas.testing")


@pytest.fixture(scope="session", autouse=True)
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write down no server of the tests for the user who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("configuration")))
        yield


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium with the fonts of the reports, because a machine may have none."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium")
    fonts = files("vidnas.report") / "fonts"
    config = tmp_path_factory.mktemp("fonts") / "fonts.conf"
    config.write_text(
        f"<fontconfig><dir>{fonts}</dir><cachedir>{config.parent}</cachedir></fontconfig>"
    )
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=program,
            args=["--no-sandbox"],
            env={**os.environ, "FONTCONFIG_FILE": str(config)},
        )
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return what opens an address in a window of its own; the test fails if a page says anything
    on its console, or asks for anything from elsewhere."""
    contexts: list[Any] = []
    problems: list[str] = []

    def open_page(address: str, *, width: int = 1400, **asked: Any) -> Any:
        viewport = {"width": width, "height": 1000}
        contexts.append(browser.new_context(viewport=viewport, **asked))
        page = contexts[-1].new_page()
        own = ("data:", "blob:", address.partition("#")[0])
        page.on("console", lambda said: problems.append(said.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda one: None if one.url.startswith(own) else problems.append(one.url)
        )
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def draw_all() -> Callable[[Any], None]:
    """Return what brings every plot of a page into sight, and waits until it is drawn."""

    def draw(page: Any) -> None:
        for plot in page.query_selector_all(".plot"):
            if plot.is_visible():
                plot.scroll_into_view_if_needed()
        page.wait_for_function(
            "[...document.querySelectorAll('.plot')].filter((one) => one.offsetParent)"
            ".every((one) => one.querySelector('.main-svg'))"
        )

    return draw


@pytest.fixture
def serious_violations() -> Callable[[Any], list[tuple[str, str]]]:
    """Return what lists the serious violations that axe finds on a page."""
    axe = pytest.importorskip("axe_core_python.sync_playwright").Axe()

    def find(page: Any) -> list[tuple[str, str]]:
        found = axe.run(page)["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        return [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]

    return find
