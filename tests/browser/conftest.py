"""A page of synthetic results in a headless Chromium of this machine. Playwright brings no browser and fetches none."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from smoothgates.study.loader import load_study
from tests.synthetic import analysed, reported, write_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS, SCHEMES = (1440, 390), ("light", "dark")


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Path:
    """The page of the laptop study, whose runs never ran."""
    study, before = load_study("laptop", Path("config").resolve()), Path.cwd()
    os.chdir(tmp_path_factory.mktemp("study"))
    try:
        write_study(study, score)
        analysed(study)
        return reported(study).resolve()
    finally:
        os.chdir(before)


def score(task: str, regime: str, method: str, seed: int) -> float:
    """Under lag sapo is far below the others, and erf below them; a warm start is below all."""
    if method == "warm_start":
        return 0.4
    return 0.8 + 0.01 * seed - {"sapo": 0.3, "erf": 0.1}.get(method, 0.0) * (regime == "lag4")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    assert CHROMIUM, "no Chromium on PATH: .ci/browser.sh installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """The page in a window, with what it complained about and asked for."""

    def __init__(self, browser: Browser, report: Path, width: int, scheme: str):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda made: self.requests.append(made.url))
        self.page.goto(report.as_uri())
        self.page.wait_for_selector("#charts[data-drawn]")

    def drawn(self) -> str:
        """What the compare view shows now."""
        return self.page.get_attribute("#charts", "data-drawn") or ""

    def redrawn(self, before: str) -> str:
        """What it shows after something was chosen."""
        self.page.wait_for_function("old => document.getElementById('charts').dataset.drawn !== old", arg=before)
        return self.drawn()


@pytest.fixture(
    params=[(width, scheme) for width in WIDTHS for scheme in SCHEMES], ids=lambda each: f"{each[0]}-{each[1]}"
)
def opened(request, chromium, report) -> Iterator[Opened]:
    """The page in each window."""
    found = Opened(chromium, report, *request.param)
    yield found
    found.context.close()


@pytest.fixture
def window(chromium, report) -> Iterator[Opened]:
    """The page in one window."""
    found = Opened(chromium, report, WIDTHS[0], SCHEMES[0])
    yield found
    found.context.close()
