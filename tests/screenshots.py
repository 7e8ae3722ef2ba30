"""Makes the pictures that the README shows: `.venv-test/bin/python -m tests.screenshots` writes `docs/*.png`."""

import tempfile

from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM_OPTIONS
from tests.running import ROOT, RunningServer

DRIVE_S = 100
PICTURES = {
    "page-light": {"viewport": {"width": 1440, "height": 810}, "color_scheme": "light"},
    "page-dark": {"viewport": {"width": 1440, "height": 810}, "color_scheme": "dark"},
    "page-phone": {"viewport": {"width": 390, "height": 760}, "color_scheme": "dark", "device_scale_factor": 2},
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = RunningServer(f"sqlite:///{folder}/speed.db")
        browser = playwright.chromium.launch(**CHROMIUM_OPTIONS)
        pages = {name: browser.new_context(**options).new_page() for name, options in PICTURES.items()}
        for page in pages.values():
            page.goto(server.url)
        page.wait_for_timeout(DRIVE_S * 1000)
        for name, page in pages.items():
            page.screenshot(path=ROOT / "docs" / f"{name}.png")
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
