"""One tab on the page, in a real browser."""

from collections import Counter
from urllib.parse import urlsplit

import requests
from playwright.sync_api import BrowserContext, Page, expect

from tests.running import RunningServer

# The line of each source within the axis: what a person sees as its speed. Bands, dots and what is above the limit are drawn
# beside it, and the line itself comes in from outside.
LINES = """() => {
    const plot = document.querySelector('#live-graph .js-plotly-plot');
    const ends = (plot?.layout.xaxis.range ?? []).map((end) => new Date(end));
    const inside = (at) => ends[0] <= new Date(at) && new Date(at) <= ends[1];
    return (plot?.data ?? []).filter(({hoverinfo}) => hoverinfo !== 'skip').map(({name, x, y, customdata}) => ({
        name,
        points: Array.from(x, (at, n) => [at, y[n]]).filter(([at, speed]) => speed !== null && inside(at)),
        readings: Array.from(customdata ?? []).reduce((sum, each) => sum + (each ? each[0] : 0), 0),
    }));
}"""
DRAWN = f"({LINES})()[0]?.points ?? []"
RANGE = "document.querySelector('#live-graph .js-plotly-plot').layout.xaxis.range"


def drive(server, source, speeds, *, until_ms, step_ms=1000):
    """A source's past: a reading a second, the last one just before a moment. Returns when the first one was."""
    first = until_ms - step_ms * len(speeds)
    for at in range(0, len(speeds), 5000):
        part = [
            {"source": source, "timestamp": first + step_ms * n, "seq": n, "speed": speeds[n]}
            for n in range(at, min(at + 5000, len(speeds)))
        ]
        requests.post(f"{server.url}/api/v1/readings", json=part, timeout=30).raise_for_status()
    return first


class Visit:
    """One tab on the page, and what went wrong in it."""

    def __init__(
        self,
        context: BrowserContext,
        server: RunningServer,
        query: str = "?mode=simulate",
        status: str | None = "Connected",
    ) -> None:
        self.page: Page = context.new_page()
        self.server = server
        self.problems: list[str] = []
        self.hosts: Counter[str] = Counter()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.hosts.update([urlsplit(request.url).netloc]))
        self.page.goto(f"{server.url}/{query}" if not query.startswith("/") else server.url + query)
        if status is not None:
            self.wait_for_status(status)

    @property
    def source(self) -> str:
        return self.page.inner_text("#source-name")

    def wait_for_status(self, text: str, deadline_s: float = 30) -> None:
        expect(self.page.locator("#status")).to_have_text(text, timeout=deadline_s * 1000)

    def lines(self) -> dict[str, dict]:
        return {each["name"]: each for each in self.page.evaluate(LINES)}

    def drawn(self) -> list[list]:
        """The points of the first source: local time and speed."""
        return self.page.evaluate(DRAWN)

    def range(self) -> list[str]:
        """The ends of the time axis, on the page's own clock."""
        return self.page.evaluate(RANGE)

    def range_s(self) -> float:
        return self.page.evaluate(f"(() => {{ const [a, b] = {RANGE}; return (new Date(b) - new Date(a)) / 1000; }})()")

    def stored(self) -> list[dict]:
        return self.server.readings(self.source)

    def waiting(self) -> int:
        return int(self.page.inner_text("#waiting").split()[0])

    def wait_until(self, expression: str, deadline_s: float = 30) -> None:
        # By default it would be evaluated for each frame, which takes much of a core.
        self.page.wait_for_function(expression, timeout=deadline_s * 1000, polling=100)

    def wait_until_drawn(self, count: int, deadline_s: float = 30) -> list[list]:
        self.wait_until(f"() => ({DRAWN}).length >= {count}", deadline_s)
        return self.drawn()

    def wait_until_waiting(self, count: int) -> None:
        self.wait_until(f"() => parseInt(document.querySelector('#waiting').textContent) >= {count}", 20)

    def drag(self, start: float, end: float) -> None:
        """Across the plot, from one share of its width to another."""
        plot = self.page.locator("#live-graph .nsewdrag").bounding_box()
        y = plot["y"] + plot["height"] / 2
        self.page.mouse.move(plot["x"] + plot["width"] * start, y)
        self.page.mouse.down()
        self.page.mouse.move(plot["x"] + plot["width"] * end, y, steps=5)
        self.page.mouse.up()

    def choose(self, group: str, label: str) -> None:
        button = self.page.locator(f"#{group} button", has_text=label).first
        if not button.is_visible():
            self.page.click("#settings summary")
        button.click()

    def set_limit(self, value: str) -> None:
        self.page.fill("#limit", value)
        self.page.click("#limit-set")
        expect(self.page.locator("#limit-word")).to_have_text("Limit saved")

    def assert_drawn_is_stored(self) -> None:
        """Every point is a row and the other way round, once. What came between the two looks is let pass."""
        drawn = self.wait_until_drawn(len(self.stored()))
        stored = [each["speed"] for each in self.stored()]
        assert [speed for _, speed in drawn] == stored[: len(drawn)]
        assert len(stored) - len(drawn) <= 2
        assert len({x for x, _ in drawn}) == len(drawn)
