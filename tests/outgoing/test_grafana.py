"""The dashboard for Grafana: its queries on a real database, with the macros of Grafana's MySQL data source expanded as documented.

https://grafana.com/docs/grafana/latest/datasources/mysql/query-editor/#macros
"""

import json
import re
import time
from datetime import UTC

import pytest
import requests

from tests.mariadb import MariaDB
from tests.running import ROOT, wait_for

DASHBOARD = json.loads((ROOT / "deploy/grafana/speeddash.json").read_text())
INTERVAL_S = 60


def expanded(sql, from_s, to_s, sources):
    """What Grafana sends to the database."""
    alias = ' AS "time"'
    sql = sql.replace("${source:sqlstring}", ",".join(f"'{each}'" for each in sources)).replace("$__interval", "1m")
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN FROM_UNIXTIME({from_s}) AND FROM_UNIXTIME({to_s})", sql)
    sql = re.sub(
        r"\$__timeGroupAlias\((.+?),\s*1m\)", rf"UNIX_TIMESTAMP(\1) DIV {INTERVAL_S} * {INTERVAL_S}{alias}", sql
    )
    sql = re.sub(r"\$__unixEpochGroupAlias\((.+?),\s*1m\)", rf"\1 DIV {INTERVAL_S} * {INTERVAL_S}{alias}", sql)
    sql = sql.replace("$__unixEpochFrom()", str(from_s)).replace("$__unixEpochTo()", str(to_s))
    assert "$" not in sql
    return sql


@pytest.fixture
def data(run, mariadb: MariaDB):
    """A server with readings of two sources, one of them above its limit; when the first one was."""
    server = run(mariadb.create("speed"))
    first_s = int(time.time()) // 3600 * 3600 - 7200
    requests.patch(f"{server.url}/api/v1/sources/car", json={"limit_kmh": 100}, timeout=10).raise_for_status()
    readings = [
        {
            "source": source,
            "timestamp": first_s + n,
            "seq": 0,
            "speed": 120.0 if source == "car" and 300 <= n < 360 else 60.0,
        }
        for n in range(600)
        for source in ("car", "bus")
    ]
    requests.post(f"{server.url}/api/v1/readings", json=readings, timeout=30).raise_for_status()
    wait_for(lambda: "over" in requests.get(f"{server.url}/api/v1/events?source=car", timeout=10).text, 30)
    return server, first_s


def answer(mariadb, sql):
    with mariadb.connect(database="speed") as connection, connection.cursor() as cursor:
        cursor.execute(sql.replace("%", "%%"))
        return [column[0] for column in cursor.description], list(cursor.fetchall())


def test_queries_of_the_dashboard_give_the_speeds_and_the_events(data, mariadb):
    _, first_s = data
    panels = {each["title"]: each["targets"][0]["rawSql"] for each in DASHBOARD["panels"]}
    assert len(panels) == 4
    sources = [row[0] for row in answer(mariadb, DASHBOARD["templating"]["list"][0]["query"])[1]]
    assert sources == ["bus", "car"]
    for title in ("Last speed", "Speed"):
        columns, rows = answer(mariadb, expanded(panels[title], first_s, first_s + 599, sources))
        assert columns == ["time", "metric", "speed"]
        minutes = {(at, name): speed for at, name, speed in rows}
        assert len(minutes) == 20
        assert minutes[first_s + 300, "car"] == 120
        assert minutes[first_s + 300, "bus"] == 60
    columns, rows = answer(mariadb, expanded(panels["Above the limit"], first_s, first_s + 599, sources))
    ((start, source, seconds, peak, limit),) = rows
    assert (source, float(seconds), peak, limit) == ("car", 59, 120, 100)
    assert start.replace(tzinfo=UTC).timestamp() == first_s + 300
    # Rollups come two minutes after the last reading; until then the query is valid and empty.
    columns, _ = answer(mariadb, expanded(panels["Mean and maximum by minute"], first_s, first_s + 599, sources))
    assert columns == ["time", "metric", "mean", "maximum"]


def test_metrics_have_the_last_speed_and_age_of_each_source(data):
    server, _ = data
    shown = requests.get(f"{server.url}/metrics", timeout=10).text
    assert 'speeddash_source_speed_kmh{source="car"} 60.0' in shown
    (age,) = re.findall(r'speeddash_source_age_seconds\{source="bus"\} (\S+)', shown)
    assert 3000 < float(age) < 12_000
