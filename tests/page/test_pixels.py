"""A day on a plot 1,440 pixels wide: as many buckets as pixels show what all 86,400 readings show."""

import base64
import random
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
import requests

from tests.page.visit import Visit

DAY_MS = 1_780_272_000_000  # 2026-06-01 00:00 UTC
DAY_S = 86_400
WIDTH = 1_440
#: Page, cards and margins around a plot of that width, which on a real screen ends at 1,800 pixels in all.
VIEWPORT = {"width": WIDTH + 558, "height": 900}
ALL_SHOWN = "() => document.querySelector('#shown').textContent === '86,400 readings shown, a point for every 1 min'"
PLOT = "#live-graph .nsewdrag"

DIFFERENCES = """async (pictures) => {
    const [a, b] = await Promise.all(pictures.map(async (png) => {
        const image = new Image();
        image.src = `data:image/png;base64,${png}`;
        await image.decode();
        const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
        canvas.drawImage(image, 0, 0);
        return canvas.getImageData(0, 0, image.width, image.height);
    }));
    const found = {width: a.width, pixels: a.width * a.height, different: 0, onlyFirst: 0, onlySecond: 0, halfSecond: 0};
    const ink = ({data}, n) => 255 - data[n]; // the line has no red
    for (let n = 0; n < a.data.length; n += 4) {
        found.different += [0, 1, 2].some((colour) => a.data[n + colour] !== b.data[n + colour]);
        const [x, y] = [ink(a, n), ink(b, n)];
        found.onlyFirst += x > 8 && y <= 8;
        found.onlySecond += y > 8 && x <= 8;
        found.halfSecond += y > 122 && x <= 122;
    }
    return found;
}"""

# The band in the line's full colour, and the line that all readings make, each alone on white.
ALONE = """async ([kind, first, speeds]) => {
    const {local} = await import('/assets/app/view/chart.mjs');
    document.querySelector('#alone')?.remove();
    const plot = document.querySelector('#live-graph .js-plotly-plot');
    const band = plot.data.find(({name}) => name === 'band');
    const x = speeds.map((_, n) => local(first + 1000 * n));
    const line = {type: 'scatter', mode: 'lines', x, y: speeds, line: {color: band.line.color, width: 2}};
    const data = kind === 'band' ? {...band, opacity: 1} : line;
    const {xaxis: {range}, yaxis: {range: speedRange}} = plot.layout;
    const div = Object.assign(document.createElement('div'), {id: 'alone'});
    div.style = 'position: fixed; inset: 0 auto auto 0; z-index: 99; background: #fff';
    document.body.append(div);
    const axis = {visible: false, fixedrange: true};
    await Plotly.newPlot(div, [data], {
        width: 1440, height: 500, margin: {l: 0, r: 0, t: 0, b: 0}, showlegend: false,
        xaxis: {type: 'date', range, ...axis}, yaxis: {range: speedRange, ...axis},
    }, {staticPlot: true});
}"""


def day(chance):
    """A drive and a rest in turns: the speed wobbles, rises and falls as a car's does."""
    speeds, speed, target = [], 0.0, 50
    for second in range(DAY_S):
        if chance.random() < 1 / 40:
            target = chance.choice([0, 30, 50, 50, 80, 100, 130])
        resting = (second // 2700) % 3 == 0
        step = max(-3.0, min(2.5, (0 if resting else target) - speed))
        speed = 0.0 if resting and speed < 3 else max(0.0, speed + step + chance.uniform(-0.6, 0.6))
        speeds.append(round(speed, 2))
    return speeds


def picture(page, selector):
    return base64.b64encode(page.locator(selector).screenshot()).decode()


def wide(context, server, query):
    visit = Visit(context, server, query, status=None)
    visit.page.set_viewport_size(VIEWPORT)
    visit.page.add_style_tag(content=".page { max-width: none }")
    visit.wait_until(f"() => document.querySelector('{PLOT}')?.getBoundingClientRect().width === {WIDTH}")
    return visit


def show(visit):
    """The day itself, from midnight to midnight UTC."""
    from_iso, to_iso = (
        datetime.fromtimestamp(at_ms / 1000, UTC).isoformat() for at_ms in (DAY_MS, DAY_MS + 1000 * DAY_S)
    )
    query = urlencode({"mode": "watch", "source": "pixels", "theme": "light", "from": from_iso, "to": to_iso})
    visit.page.evaluate(
        "(query) => { history.pushState(null, '', `/?${query}`); window.dispatchEvent(new PopStateEvent('popstate')); }",
        query,
    )
    visit.wait_until(ALL_SHOWN)


@pytest.fixture(scope="module")
def speeds():
    return day(random.Random(24))


@pytest.fixture
def visits(page_server, own_context, speeds):
    """The day twice: watched from its first reading to its last, and loaded afterwards."""
    own_context.clock.install(time=datetime.fromtimestamp(DAY_MS / 1000 + DAY_S - 30, UTC))
    watching = wide(own_context, page_server, "?source=pixels&window=24h&theme=light")
    watching.page.route("**/_dash-update-component*", lambda route: route.abort())  # nor by the list of sources
    watching.wait_for_status("Connected")
    watching.wait_until("() => document.querySelector('#message-text').textContent === 'No data in this window.'")
    asked = []
    watching.page.on("request", lambda request: "/series" in request.url and asked.append(request.url))
    for at in range(0, DAY_S, 9_600):
        part = [
            {"source": "pixels", "timestamp": DAY_MS + 1000 * n, "seq": n, "speed": speeds[n]}
            for n in range(at, at + 9_600)
        ]
        requests.post(f"{page_server.url}/api/v1/readings", json=part, timeout=30).raise_for_status()
    show(watching)
    assert asked == []  # every reading came by the socket
    loaded = wide(own_context, page_server, "?source=pixels&window=24h&theme=light")
    show(loaded)
    return watching, loaded


@pytest.mark.long
def test_day_from_buckets_and_the_same_day_from_all_its_readings_are_the_same_picture(visits, speeds):
    _, loaded = visits
    found = loaded.page.evaluate(DIFFERENCES, [picture(each.page, PLOT) for each in visits])
    assert found["width"] == WIDTH
    assert found["different"] == 0
    # Beside the plain line of all readings, which Plotly draws in ten times the time. Of 720,000 pixels 10,579 are painted by the
    # band alone: within a column it is whole where the line, on its way up and down, is not. 2,372 at its rim are touched by the
    # line alone, 43 of them for more than half: Plotly leaves out points of a long line, and with all of them (simplify: false)
    # the same line differs from itself in 10,885.
    alone = []
    for kind in ("band", "line"):
        loaded.page.evaluate(ALONE, [kind, DAY_MS, speeds])
        alone.append(picture(loaded.page, "#alone"))
    found = loaded.page.evaluate(DIFFERENCES, alone)
    assert found["onlyFirst"] + found["onlySecond"] < 0.02 * found["pixels"]
    assert found["halfSecond"] < 100  # no peak lies outside
