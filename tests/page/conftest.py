"""What the tests of the page share."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext

from tests.page.visit import Visit
from tests.running import RunningServer


@pytest.fixture
def open_page(context: BrowserContext, page_server: RunningServer) -> Iterator[Callable[[str], Visit]]:
    """Opens addresses; in none of the pages may an error occur."""
    visits: list[Visit] = []

    def visit(address: str) -> Visit:
        visits.append(Visit(context, page_server, address, status=None))
        return visits[-1]

    yield visit
    for each in visits:
        assert each.problems == []
