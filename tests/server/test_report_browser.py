"""The report in a real browser: phone and desktop, light and dark, hostile and everyday; and by axe-core.

`nox -s report` installs what it needs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbtasks.report.page import page
from tests.unit.test_report import HOSTILE, everywhere

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WIDTHS = {"phone": 390, "desktop": 1280}
SCHEMES = ("light", "dark")
# A name as long as PostgreSQL lets one be, without a place to break it at.
LONG = "x" * 63
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "no Chromium is installed"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=[*QUIET])
        yield started
        started.close()


@pytest.fixture(scope="module", params=[pytest.param(HOSTILE, id="hostile"), pytest.param(LONG, id="long names")])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report") / "report.html"
    made.write_text(page(everywhere(request.param)), encoding="utf-8")
    return made


@pytest.mark.parametrize(("width", "scheme"), [*product(WIDTHS, SCHEMES)])
def test_it_fits_asks_for_nothing_and_everybody_can_read_it(
    browser: Browser, file: Path, width: str, scheme: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme)
    shown, said, asked = context.new_page(), list[str](), list[str]()
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("dialog", lambda dialog: said.append(dialog.message))
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(file.as_uri(), wait_until="networkidle")
    assert shown.evaluate("document.documentElement.scrollWidth") == WIDTHS[width]
    assert (
        shown.evaluate("getComputedStyle(document.body).backgroundColor")
        == {
            "light": "rgb(252, 251, 249)",
            "dark": "rgb(20, 21, 23)",
        }[scheme]
    ), "the style sheet is not applied"
    found = Axe().run(shown).response
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
    assert len(found["passes"]) > 20
    assert said == []
    assert asked == [file.as_uri()]
    context.close()
