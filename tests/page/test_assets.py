"""The pure functions of `assets/`, in a browser, without a server."""

import itertools
import math
import os
import random
import shutil
import subprocess
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from speeddash.history.series import bucket_width
from speeddash.page.reader import Reader
from speeddash.page.script import joined
from speeddash.page.when import RangeText, time_of
from speeddash.timerange import TimeRange
from tests.conftest import require
from tests.running import ROOT

ASSETS = ROOT / "assets"

MODULES = {
    "units": "state", "buckets": "state", "track": "state", "view": "state", "link": "state", "outbox": "state", "gps": "state", "bluetooth": "state",
    "chart": "view", "fleet": "view", "rest": "data", "tracks": "data", "totals": "data", "upload": "data",
}  # fmt: skip


@pytest.fixture(scope="module")
def js(browser, tmp_path_factory):
    """Evaluates JavaScript with the modules of the live path in `S`."""
    folder = tmp_path_factory.mktemp("modules")
    app = os.path.relpath(ASSETS / "app", folder)
    imports = [f"import * as {name} from '{app}/{place}/{name}.mjs';\n" for name, place in MODULES.items()]
    (folder / "main.mjs").write_text("".join(imports) + f"window.S = {{{', '.join(MODULES)}}};\n")
    page = browser.new_page(timezone_id="Europe/Berlin")
    page.add_script_tag(content=joined(folder / "main.mjs"))
    yield page.evaluate
    page.close()


def test_types_of_the_javascript_agree():
    """`tests/run.sh` installs the type checker where Node.js is there."""
    tsc = shutil.which("tsc", path=f"{ROOT}/.venv-test/node_modules/.bin")
    require(tsc, "TypeScript")
    found = subprocess.run(
        [tsc, "--project", ASSETS / "app/jsconfig.json"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout


HELD = "Array.from(t.at, (_, n) => [t.at[n], t.seq[n], t.speed[n]])"


def test_track_holds_each_identity_once_in_order_however_it_comes(js):
    chance = random.Random(11)
    readings = [{"at": 1_000 * (n // 2), "seq": n % 2, "speed": n} for n in range(400)]
    for _ in range(8):
        shuffled = chance.sample(readings, len(readings)) + chance.choices(readings, k=100)
        sizes = sorted(chance.sample(range(1, len(shuffled)), 9))
        batches = [shuffled[a:b] for a, b in zip([0, *sizes], [*sizes, len(shuffled)], strict=True)]
        held = js(
            f"(batches) => {{ const t = S.track.create('a'); batches.forEach((each) => S.track.add(t, each)); return {HELD}; }}",
            batches,
        )
        assert held == [[each["at"], each["seq"], each["speed"]] for each in readings]


def test_what_was_missed_while_history_was_read_is_read_again(js):
    asked = js(
        """async () => {
            const answer = {
                bucket_s: 0, t: [1], t_first: [1], t_last: [1], n: [1], moving: [1], mean: [5], min: [5], max: [5], first: [5], last: [5], seq: [0],
            };
            const asked = [];
            window.fetch = () => new Promise((resolve) => asked.push(resolve));
            const tracks = new S.tracks.Tracks({changed() {}, came() {}});
            const look = async (n) => {
                tracks.require(['a'], 0, null, 1000);
                asked[n]?.(new Response(JSON.stringify(answer), {headers: {'Content-Type': 'application/json'}}));
                await new Promise((resolve) => setTimeout(resolve, 50));
                return asked.length;
            };
            tracks.require(['a'], 0, null, 1000);
            tracks.invalidate(['a']); // the socket opened while the first answer was on its way
            return [await look(0), await look(1), await look(2)];
        }"""
    )
    assert asked == [1, 2, 2]


def test_track_forgets_the_oldest_and_says_from_when_it_is_complete(js):
    held, since, first = js(
        """() => {
            const t = S.track.create('a');
            t.since = 0;
            for (let n = 0; n < 130; n += 1) {
                S.track.add(t, Array.from({length: 1000}, (_, k) => ({at: n * 1000 + k, seq: 0, speed: 1})));
            }
            return [t.at.length, t.since, t.at[0]];
        }"""
    )
    assert held <= 120_000
    assert since == first > 0


def test_points_lose_no_reading_and_no_peak_when_folded(js):
    chance = random.Random(12)
    speeds = [chance.uniform(0, 100) for _ in range(10_000)]
    points = js(
        """(speeds) => {
            const t = S.track.create('a');
            S.track.add(t, speeds.map((speed, n) => ({at: n * 10, seq: 0, speed})));
            return S.track.points(t, 0, 100_000, 500);
        }""",
        speeds,
    )
    buckets = points["buckets"]
    assert len(buckets) <= 500
    assert sum(each["n"] for each in buckets) == 10_000
    assert math.isclose(sum(each["total"] for each in buckets), sum(speeds))
    assert max(each["max"] for each in buckets) == max(speeds)
    assert min(each["min"] for each in buckets) == min(speeds)


def jumped(ms, before, speed):
    """As speeddash/segment.py has it."""
    return ms < 300_000 and speed > before + 5 + 3.6 * 15 * ms / 1000


def test_distance_and_moving_time_are_those_of_trapezoids(js):
    chance = random.Random(13)
    at, readings = 0, []
    for n in range(300):
        at += chance.choice([500, 1000, 2000, 400_000 if n % 97 == 0 else 1000])
        readings.append((at, chance.choice([0.0, chance.uniform(1, 120)])))
    plausible = [readings[0][1]]
    plausible += [b[1] for a, b in itertools.pairwise(readings) if not jumped(b[0] - a[0], a[1], b[1])]
    pairs = [(b[0] - a[0], a[1], b[1]) for a, b in itertools.pairwise(readings) if b[0] - a[0] < 300_000]
    of_points, of_track, joined = js(
        """(readings) => {
            const t = S.track.create('a');
            S.track.add(t, readings.map(([at, speed], seq) => ({at, seq, speed})));
            const half = readings[150][0];
            const [a, b] = [S.track.figures(t, 0, half - 1, false), S.track.figures(t, half, 1e9, true)];
            return [S.buckets.summary(S.track.points(t, 0, 1e9, 1e6)), S.track.figures(t, 0, 1e9, false), S.totals.together(a, b)];
        }""",
        readings,
    )
    for figures in (of_points, of_track, joined):
        assert math.isclose(figures["km"], sum(ms * (a + b) / 2 for ms, a, b in pairs) / 3_600_000, rel_tol=1e-12)
        assert math.isclose(figures["movingMs"], sum(ms for ms, a, b in pairs if a or b))
        assert math.isclose(figures["average"], sum(speed for _, speed in readings) / len(readings))
        assert figures["maximum"] == max(plausible)
        assert figures["exact"]
    assert len(plausible) < len(readings)


@pytest.mark.parametrize(
    ("ms", "before", "speed", "jump"),
    [
        (1000, 50, 108, False),  # 15 m/s² is 54 km/h in a second, and 5 km/h are let pass
        (1000, 50, 110, True),
        (10, 50, 54, False),
        (10, 50, 56, True),
        (4000, 50, 270, False),
        (299_999, 0, 17_000, True),
        (300_000, 0, 17_000, False),  # a gap: what lies before says nothing
        (1000, 110, 50, False),  # braking is believed
    ],
)
def test_jump_is_a_gain_that_nothing_on_wheels_has(js, ms, before, speed, jump):
    assert js("([ms, before, speed]) => S.buckets.isJump(ms, before, speed)", [ms, before, speed]) is jump


def test_buckets_are_as_wide_as_the_servers_and_have_its_edges(js):
    chance = random.Random(15)
    for _ in range(300):
        start = chance.randrange(10**12, 2 * 10**12)
        end = start + int(10 ** chance.uniform(3.4, 11.5))
        points = chance.choice([1500, 1650, 2000])
        width_us = bucket_width(TimeRange(start * 1000, end * 1000), points)
        found, begin, stop = js(
            "([from, to, most]) => { const ms = S.buckets.width(from, to, most); return [ms, ...S.buckets.whole(from, to, ms)]; }",
            [start, end, points],
        )
        assert found * 1000 == max(1000, width_us)
        assert begin == start // found * found
        # Asked for out to its edges, the server comes to the same width.
        assert bucket_width(TimeRange(begin * 1000, stop * 1000), points) == width_us or width_us < 1000


def test_readings_held_and_readings_folded_by_the_server_make_the_same_points(js):
    chance = random.Random(16)
    speeds = [chance.uniform(0, 100) for _ in range(7_200)]
    held, folded = js(
        """(speeds) => {
            const [from, to, width] = [1_790_000_010_500, 1_790_007_000_000, 5000];
            const readings = speeds.map((speed, n) => ({at: 1_790_000_000_000 + n * 1000, seq: 0, speed}));
            const [t, u] = [S.track.create('a'), S.track.create('a')];
            S.track.add(t, readings);
            const buckets = [];
            const [begin, end] = S.buckets.whole(from, to, width);
            readings.filter(({at}) => begin <= at && at < end).forEach(({at, speed}) => S.buckets.fold(buckets, width, at, speed));
            const column = (name) => buckets.map((each) => each[name]);
            S.track.takeSeries(u, begin, end, {
                bucket_s: width / 1000, t: column('at').map((at) => at / 1000), t_first: column('firstAt').map((at) => at / 1000),
                t_last: column('lastAt').map((at) => at / 1000), n: column('n'), moving: column('moving'),
                mean: buckets.map(({total, n}) => total / n), min: column('min'), max: column('max'), first: column('first'),
                last: column('last'),
            }, width);
            t.since = 0;
            return [t, u].map((each) => S.track.points(each, from, to, 1500));
        }""",
        speeds,
    )
    assert held["width"] == folded["width"] == 5000
    assert len(held["buckets"]) == len(folded["buckets"]) == 1398
    for a, b in zip(held["buckets"], folded["buckets"], strict=True):
        assert math.isclose(a.pop("total"), b.pop("total"), rel_tol=1e-12)
        assert a == b


def test_folded_distance_is_close_to_the_exact_one(js):
    speeds = [60 + 40 * math.sin(n / 50) for n in range(3_600)]
    exact, folded = js(
        """(speeds) => {
            const t = S.track.create('a');
            S.track.add(t, speeds.map((speed, n) => ({at: n * 1000, seq: 0, speed})));
            return [1e6, 200].map((most) => S.buckets.summary(S.track.points(t, 0, 3_600_000, most)));
        }""",
        speeds,
    )
    assert not folded["exact"]
    assert math.isclose(exact["km"], folded["km"], rel_tol=1e-3)


#: The pieces of a track's line above a limit.
ABOVE = """const above = (track, limit) => S.buckets.stretches(S.track.points(track, 0, 1e6, 1e6))
    .flatMap((part) => S.buckets.above(part.map(({at, max}) => [at, max]), limit));"""


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ([50, 50], []),
        ([50, 100, 50], [[500, 1500, 100]]),
        ([100, 100], [[0, 1000, 100]]),
        ([75, 100, 75], [[0, 2000, 100]]),
    ],
)
def test_stretches_above_a_limit_begin_and_end_where_the_line_crosses_it(js, speeds, expected):
    found = js(
        f"""(speeds) => {{ {ABOVE}"""
        """
            const t = S.track.create('a');
            S.track.add(t, speeds.map((speed, n) => ({at: n * 1000, seq: 0, speed})));
            return above(t, 75).map((line) => [line[0][0], line.at(-1)[0], Math.max(...line.map(([, speed]) => speed))]);
        }""",
        speeds,
    )
    assert found == expected


def test_a_gap_ends_what_is_above_the_limit(js):
    found = js(
        f"""() => {{ {ABOVE}"""
        """
            const t = S.track.create('a');
            S.track.add(t, [[0, 100], [1000, 100], [60_000, 100], [61_000, 50]].map(([at, speed]) => ({at, seq: 0, speed})));
            return above(t, 75).map((line) => [line[0][0], line.at(-1)[0]]);
        }"""
    )
    assert found == [[0, 1000], [60_000, 60_500]]


def test_range_of_an_address_is_the_same_in_every_place(js):
    """The live place reads it in the browser, the others on the server."""
    chance = random.Random(15)
    reader = Reader(ZoneInfo("Europe/Berlin"))
    ends = ["now", "now/d", "now/w", "now/M", "now/y", "2024-02-29", "2026-03-29", "2026-10-25", "2026-05-31T12:00:00Z"]
    ends += [
        f"now-{chance.randrange(1, 40)}{unit}{floor}" for unit in "mhdwMy" for floor in ("", "/d", "/w", "/M", "/y")
    ]
    moments = [
        datetime(2026, 3, 29, 12, tzinfo=UTC),
        datetime(2026, 10, 31, 23, 30, tzinfo=UTC),
        datetime(2024, 2, 29, tzinfo=UTC),
    ]
    for now in moments:
        for begin, end in [("1910-01-01", each) for each in ends] + [(each, "2100-01-01") for each in ends]:
            found = js(
                """([search, now]) => {
                    const Real = Date;
                    window.Date = class extends Real {
                        constructor(...given) { super(...(given.length ? given : [now])); }
                    };
                    const {view, problems} = S.view.parse(search, {}, {}, now);
                    window.Date = Real;
                    return [view.from, view.to, problems];
                }""",
                [f"?from={begin}&to={end}", now.timestamp() * 1000],
            )
            expected = time_of(RangeText(begin, end), reader, now)
            assert found == [expected.from_us / 1000, expected.to_us / 1000, []], (now, begin, end)


def test_view_survives_the_way_through_a_link(js):
    chance = random.Random(14)
    for _ in range(200):
        drive = chance.random() < 0.5
        fixed = not drive and chance.random() < 0.5  # driving is now
        start = chance.randrange(10**12, 2 * 10**12)
        view = {
            "mode": chance.choice(["simulate", "gps", "bluetooth", "watch"]),
            "sources": chance.sample(["car", "my-bike", "a.b:c_d", "x" * 64], chance.randrange(4)),
            "window": chance.choice(["1m", "5m", "15m", "1h", "24h"]),
            "from": start if fixed else None,
            "to": start + chance.randrange(1, 10**9) if fixed else None,
            "unit": chance.choice(["kmh", "mph"]),
            "theme": chance.choice(["light", "dark", "system"]),
            "limit": chance.choice([None, 50]),
            "kiosk": chance.random() < 0.5,
            "drive": drive,
            "mirror": chance.random() < 0.5,
        }
        again = js(
            "(view) => { const units = {kmh: {kmh: 1}, mph: {kmh: 1.609344}};"
            " return S.view.parse(S.view.format(view, units), {}, units, 5e12); }",
            view,
        )
        assert again["problems"] == []
        limit = again["view"].pop("limit")
        assert limit == view.pop("limit") or math.isclose(limit, 50, abs_tol=0.01)
        assert again["view"] == view


def test_time_is_read_to_the_microsecond_and_the_same_either_way(js):
    text, seconds = js(
        "() => [S.track.instant('2026-01-31T12:00:00.123456Z'), S.track.instant('2026-01-31T12:00:00.123Z')]"
    )
    assert text == 1_769_860_800_123.456
    assert seconds == 1_769_860_800_123


def test_metres_between_two_fixes(js):
    # A degree of latitude on a sphere of 6,371,008.8 m is 111,195.08 m.
    metres = js("() => S.gps.metres({latitude: 41, longitude: -87}, {latitude: 42, longitude: -87})")
    assert math.isclose(metres, 111_195.08, abs_tol=0.01)


@pytest.mark.parametrize(
    ("before", "fix", "kmh"),
    [
        (None, {"speed": 10}, 36),
        (None, {"speed": None}, None),
        ({}, {"speed": None, "metres": 25}, 90),
        ({}, {"speed": None, "metres": 2}, 0),  # within the accuracy: standing still
        ({}, {"speed": None, "metres": 25, "accuracy": 80}, None),
        ({}, {"speed": None, "metres": 25, "after_ms": 60_000}, None),
        (None, {"speed": -1}, 0),
    ],
)
def test_speed_of_a_fix(js, before, fix, kmh):
    place = {"at": 0, "latitude": 41.0, "longitude": -87.0, "accuracy": 5, "speed": None}
    moved = {
        **place,
        "at": fix.get("after_ms", 1000),
        "latitude": 41.0 + fix.get("metres", 0) / 111_195.08,
        "accuracy": fix.get("accuracy", 5),
        "speed": fix["speed"],
    }
    found = js("([a, b]) => S.gps.speed(a, b)", [None if before is None else place, moved])
    assert found is None if kmh is None else math.isclose(found, kmh, abs_tol=0.01)
