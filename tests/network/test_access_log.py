"""The access log: who asked for what, and no token."""

import json

import requests

from tests.running import wait_for

TOKEN = "0123456789abcdef0123"


def entries(server):
    lines = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    return [each for each in lines if each["logger"] == "speeddash.network.access_log"]


def test_requests_and_sockets_are_logged_with_the_address_of_the_client_and_without_queries(run, tmp_path):
    server = run(
        f"sqlite:///{tmp_path}/speed.db",
        SPEEDDASH_ACCESS_LOG="1", SPEEDDASH_LOG_FORMAT="json", SPEEDDASH_TOKEN=TOKEN, SPEEDDASH_PROXIES="1",
    )  # fmt: skip
    forwarded = server.headers | {"X-Forwarded-For": "203.0.113.7"}
    requests.get(f"{server.url}/api/v1/sources", {"limit": 5}, headers=forwarded, timeout=5)
    requests.get(f"{server.url}/", {"token": "a-wrong-one-of-somebody"}, timeout=5)
    requests.get(f"{server.url}/api/v1/caf\N{LATIN SMALL LETTER E WITH ACUTE}\n", headers=forwarded, timeout=5)
    with server.connect("/ws?source=car") as socket:
        socket.send('{"speed": 5}')
        socket.recv(5)
    wait_for(lambda: any(each["path"] == "/ws" for each in entries(server)))
    found = [each for each in entries(server) if each["path"] not in ("/readyz", "/healthz")]
    assert [(each["method"], each["path"], each["status"]) for each in found] == [
        ("GET", "/api/v1/sources", 200),
        ("GET", "/", 401),
        ("GET", "/api/v1/caf\N{LATIN SMALL LETTER E WITH ACUTE}\n", 404),
        ("GET", "/ws", 101),
    ]
    assert found[0]["address"] == "203.0.113.7"
    assert found[0]["bytes"] > 0
    assert all(0 <= each["seconds"] < 60 for each in found)
    assert TOKEN not in server.output
    assert "a-wrong-one" not in server.output


def test_line_of_text_has_no_control_characters(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_ACCESS_LOG="1")
    requests.get(f"{server.url}/a%1b[2Jb%0aforged", timeout=5)
    line = wait_for(lambda: next((each for each in server.output.splitlines() if "forged" in each), None))
    assert "GET /a\\x1b[2Jb\\nforged 404, " in line
