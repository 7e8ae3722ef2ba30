"""Checks of tokens, Host and Origin, on a real server."""

import contextlib
import json
import re
import socket
import time

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.auth.test_access import CAR_TOKEN, READ_TOKEN, TOKEN
from tests.rawsocket import RawSocket
from tests.running import RunningServer, wait_for

FRIEND = "https://speed.example.com"
#: One request of every kind that the server answers.
WAYS = [
    ("GET", "/"),
    ("GET", "/_dash-layout"),
    ("GET", "/_dash-dependencies"),
    ("POST", "/_dash-update-component"),
    ("GET", "/assets/page.js"),
    ("GET", "/openapi.json"),
    ("GET", "/api/swagger"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/api/v1/readings"),
    ("POST", "/api/v1/readings"),
    ("DELETE", "/api/v1/readings"),
    ("GET", "/api/v1/sources"),
    ("PATCH", "/api/v1/sources/car"),
    ("DELETE", "/api/v1/sources/car"),
    ("GET", "/api/v1/export.csv"),
    ("POST", "/api/v1/import"),
    ("GET", "/api/v1/connections"),
    ("POST", "/send"),
    ("GET", "/nowhere"),
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    server = RunningServer(
        f"sqlite:///{tmp_path_factory.mktemp('guarded')}/speed.db",
        traced=True,
        SPEEDDASH_TOKEN=TOKEN,
        SPEEDDASH_READ_TOKEN=READ_TOKEN,
        SPEEDDASH_SOURCE_TOKENS=f"car={CAR_TOKEN}",
        SPEEDDASH_ALLOWED_ORIGINS=FRIEND,
        SPEEDDASH_MAX_ADDRESS_CONNECTIONS="100000",  # a refused handshake counts as a failed connection
    )
    # Tokens that were right before do not wait for the wrong ones that these tests send.
    for token in (TOKEN, READ_TOKEN, CAR_TOKEN):
        requests.get(f"{server.url}/readyz", headers=bearer(token), timeout=5)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """Believes one proxy, so that a test can come from any address."""
    server = RunningServer(
        f"sqlite:///{tmp_path_factory.mktemp('proxied')}/speed.db",
        traced=True,
        SPEEDDASH_TOKEN=TOKEN,
        SPEEDDASH_PROXIES="1",
        SPEEDDASH_MAX_ADDRESS_CONNECTIONS="2",
        SPEEDDASH_MAX_READINGS_PER_S="5",
        SPEEDDASH_MAX_ADDRESS_READINGS_PER_S="20",
    )
    yield server
    server.stop()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def signed_in(server, token=TOKEN):
    session = requests.Session()
    session.post(f"{server.url}/sign-in", data={"token": token}, headers={"Origin": server.url}, timeout=5)
    assert session.cookies
    return session


def refusal(server, path="/ws", **headers):
    with pytest.raises(InvalidStatus) as refused, server.connect(path, additional_headers=headers):
        pass
    return refused.value.response


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_nothing_answers_without_a_token(guarded, method, path):
    answer = requests.request(method, guarded.url + path, timeout=5)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "no_token"


@pytest.mark.parametrize(("path", "address"), [("/", 41), ("/ws", 42), ("/ws/live", 43)])
def test_no_socket_opens_without_a_token(proxied, path, address):
    # From an address of its own: others have sent wrong tokens too.
    forwarded = {"X-Forwarded-For": f"203.0.113.{address}"}
    assert refusal(proxied, path, **forwarded).status_code == 401
    assert refusal(proxied, path, **forwarded, **bearer("wrong-0123456789ab")).status_code == 401


def test_wrong_token_is_called_wrong(proxied):
    forwarded = {"X-Forwarded-For": "203.0.113.44"}
    for given in ({"headers": bearer("wrong-0123456789ab")}, {"auth": ("phone", "wrong-0123456789ab")}):
        path = "/in/owntracks" if "auth" in given else "/api/v1/readings"
        headers = forwarded | given.pop("headers", {})
        answer = requests.post(proxied.url + path, json={}, headers=headers, timeout=5, **given)
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong_token")


def test_health_is_open_and_says_nothing_else(guarded):
    assert requests.get(f"{guarded.url}/healthz", timeout=5).json() == {"status": "alive"}


def test_token_opens_everything(guarded):
    assert requests.get(guarded.url, headers=bearer(TOKEN), timeout=5).ok
    with guarded.connect("/ws?source=mine") as socket:
        socket.send('{"speed": 1}')
        assert socket.recv(5) == '{"speed": 1}'
    assert len(guarded.readings("mine")) == 1


def test_read_token_watches_and_changes_nothing(guarded):
    reader = bearer(READ_TOKEN)
    assert requests.get(f"{guarded.url}/api/v1/sources", headers=reader, timeout=5).ok
    with (
        guarded.connect("/ws/live?source=watched", additional_headers=reader) as watcher,
        guarded.connect("/ws?source=watched") as sender,
    ):
        watcher.send('{"pull": 1}')
        sender.send('{"speed": 12.5}')
        assert json.loads(watcher.recv(5))["speed"] == [12.5]
    assert refusal(guarded, "/ws", **reader).status_code == 403
    for method, path in WAYS:
        if method != "GET" and path != "/_dash-update-component":
            assert requests.request(method, guarded.url + path, headers=reader, timeout=5).status_code == 403


#: Headers that make a request look like a handshake, another method, or one that comes from a proxy.
DISGUISES = [
    {"Upgrade": "websocket"},
    {"Upgrade": "WebSocket", "Connection": "keep-alive"},
    {"Upgrade": "websocket", "Connection": "Upgrade"},
    {"Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Version": "13"},
    {"Upgrade": "h2c", "Connection": "Upgrade"},
    {"X-HTTP-Method-Override": "DELETE", "X-HTTP-Method": "DELETE", "X-Method-Override": "DELETE"},
    {
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "localhost",
        "Forwarded": "for=127.0.0.1",
    },
    {"X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz", "X-Forwarded-Prefix": "/sign-in"},
]
HANDSHAKE = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}


def documented_routes(server):
    document = requests.get(f"{server.url}/openapi.json", headers=bearer(TOKEN), timeout=5).json()
    for path, operations in document["paths"].items():
        for method in operations:
            yield method.upper(), path.replace("{source}", "victim")


def all_stored(server):
    get = {"headers": bearer(TOKEN), "timeout": 5}
    readings = requests.get(f"{server.url}/api/v1/readings", {"limit": 10_000}, **get).json()["readings"]
    sources = requests.get(f"{server.url}/api/v1/sources", **get).json()["sources"]
    limits = [requests.get(f"{server.url}/api/v1/sources/{each['source']}", **get).json() for each in sources]
    return readings, limits


def test_no_header_gives_a_token_more_than_its_role(guarded):
    """Every route with every role and disguise: readings, sources and limits stay as they are."""
    post = requests.post(
        f"{guarded.url}/api/v1/readings",
        json=[{"speed": 1, "seq": seq, "source": "victim"} for seq in range(5)],
        headers=bearer(TOKEN),
        timeout=5,
    )
    assert post.status_code == 201
    before = all_stored(guarded)
    everything = {"source": "victim", "from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    routes = sorted({*documented_routes(guarded), *WAYS, ("POST", "/ws"), ("DELETE", "/ws/live"), ("PUT", "/")})
    assert ("DELETE", "/api/v1/sources/victim") in routes
    for credentials in ({}, bearer(READ_TOKEN), bearer(CAR_TOKEN)):
        session = requests.Session()
        for method, path in routes:
            if credentials == bearer(CAR_TOKEN) and (method, path) in (
                ("POST", "/api/v1/readings"),
                ("POST", "/api/v1/import"),
            ):
                continue  # what the token is for
            for disguise in DISGUISES:
                answer = session.request(
                    method,
                    guarded.url + path,
                    params=everything if method == "DELETE" and path == "/api/v1/readings" else None,
                    json={"limit_kmh": 1, "speed": 1, "source": "stolen"}
                    if method in ("PATCH", "POST", "PUT")
                    else None,
                    headers={**credentials, **disguise},
                    allow_redirects=False,
                    timeout=5,
                    stream=True,
                )
                wrong = answer.status_code == 101 or (method not in ("GET", "POST") and answer.ok)
                answer.close()
                assert not wrong, (method, path, credentials, disguise, answer.status_code)
    assert all_stored(guarded) == before


@pytest.mark.parametrize("path", ["/", "/ws", "/ws/live", "/api/v1/sources", "/nowhere"])
def test_handshake_opens_only_the_sockets_of_a_role(guarded, path):
    for credentials, allowed in (({}, ()), (bearer(READ_TOKEN), ("/ws/live",)), (bearer(CAR_TOKEN), ("/", "/ws"))):
        if path in allowed:
            with guarded.connect(path, additional_headers=credentials):
                continue
        assert refusal(guarded, path, **credentials).status_code in (400, 401, 403, 404)


def test_reader_signs_out(guarded):
    session = signed_in(guarded, READ_TOKEN)
    answer = session.post(f"{guarded.url}/sign-out", headers={"Origin": guarded.url}, allow_redirects=False, timeout=5)
    assert answer.status_code == 303
    assert not session.cookies


def test_source_token_sends_its_source_and_nothing_else(guarded):
    car = bearer(CAR_TOKEN)
    with guarded.connect("/ws", additional_headers=car) as socket:
        for text in ('{"speed": 1, "seq": 1}', '{"speed": 2, "seq": 2, "source": "car"}'):
            socket.send(text)
            assert socket.recv(5) == text
        socket.send('[{"speed": 3}, {"speed": 3, "source": "bike"}]')
        error = json.loads(socket.recv(5))["error"]
        assert (error["code"], error["index"]) == ("foreign_source", 1)
    assert [each["seq"] for each in guarded.readings("car")] == [1, 2]
    assert guarded.readings("bike") == []
    assert refusal(guarded, "/ws?source=bike", **car).status_code == 403
    assert refusal(guarded, "/ws/live?source=car", **car).status_code == 403
    assert requests.get(f"{guarded.url}/api/v1/readings", headers=car, timeout=5).status_code == 403
    post = {"headers": car, "timeout": 5}
    assert requests.post(f"{guarded.url}/api/v1/readings", json={"speed": 1}, **post).status_code == 201
    foreign = requests.post(f"{guarded.url}/api/v1/readings", json={"speed": 1, "source": "bike"}, **post)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_source")
    drive = "source,time,speed\ncar,2026-03-01 08:00:00,5\nbike,2026-03-01 08:00:00,5\n"
    account = requests.post(f"{guarded.url}/api/v1/import?name=a.csv", data=drive, **post).json()
    assert (account["stored"], account["sources"], account["bad"][0]["line"]) == (1, ["car"], 3)


def test_sign_in_sets_a_cookie_that_scripts_and_other_sites_do_not_get(guarded):
    answer = requests.post(
        f"{guarded.url}/sign-in", data={"token": TOKEN, "next": "/?unit=mph"}, allow_redirects=False, timeout=5
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?unit=mph")
    cookie = answer.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert cookie.startswith(f"speeddash-{guarded.port}=")


def test_cookie_is_secure_behind_an_https_proxy(proxied):
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.77"}
    answer = requests.post(
        f"{proxied.url}/sign-in", data={"token": TOKEN}, headers=headers, allow_redirects=False, timeout=5
    )
    assert "Secure" in answer.headers["Set-Cookie"]


def test_signed_in_browser_reads_writes_and_opens_sockets_from_its_own_page_alone(guarded):
    session = signed_in(guarded)
    cookie = "; ".join(f"{each.name}={each.value}" for each in session.cookies)
    assert session.get(f"{guarded.url}/api/v1/sources", timeout=5).ok
    for headers, status in (
        ({"Origin": guarded.url}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": FRIEND}, 201),
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
    ):
        answer = session.post(f"{guarded.url}/api/v1/readings", json={"speed": 1}, headers=headers, timeout=5)
        assert answer.status_code == status, headers
    with guarded.connect("/ws?source=tab", additional_headers={"Cookie": cookie}, origin=guarded.url) as socket:
        socket.send('{"speed": 1}')
        assert socket.recv(5) == '{"speed": 1}'
    assert refusal(guarded, Cookie=cookie, Origin="https://evil.example").status_code == 403


def test_sign_out_forgets(guarded):
    session = signed_in(guarded)
    session.post(f"{guarded.url}/sign-out", headers={"Origin": guarded.url}, timeout=5)
    assert not session.cookies
    assert session.get(f"{guarded.url}/api/v1/sources", timeout=5).status_code == 401


def test_link_with_the_token_signs_in_and_leaves_the_address(guarded):
    answer = requests.get(f"{guarded.url}/?token={TOKEN}&unit=mph", allow_redirects=False, timeout=5)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?unit=mph")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" in answer.headers


def test_link_with_a_wrong_token_says_so(proxied):
    # From an address of its own: others have sent wrong tokens too.
    address = {"X-Forwarded-For": "203.0.113.40"}
    wrong = requests.get(f"{proxied.url}/?token=wrong-0123456789", headers=address, timeout=5)
    assert (wrong.status_code, "not a token" in wrong.text) == (401, True)


def test_person_without_a_token_meets_a_form_that_leads_on(guarded):
    answer = requests.get(f"{guarded.url}/?source=car", headers={"Accept": "text/html,*/*;q=0.8"}, timeout=5)
    assert answer.status_code == 401
    assert 'name="token"' in answer.text
    assert 'value="/?source=car"' in answer.text


def test_source_token_does_not_sign_in(guarded):
    answer = requests.post(f"{guarded.url}/sign-in", data={"token": CAR_TOKEN}, timeout=5)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "going_to",
    [
        "https://evil.example/",
        "//evil.example",
        "////evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\r\nX-Evil: 1",
        "",
        "evil",
        "//[::1",
    ],
)
def test_sign_in_leads_nowhere_else(guarded, going_to):
    answer = requests.post(
        f"{guarded.url}/sign-in", data={"token": TOKEN, "next": going_to}, allow_redirects=False, timeout=5
    )
    assert answer.headers["Location"] == "/"
    assert "X-Evil" not in answer.headers


def test_form_shows_what_is_asked_for_as_text(guarded):
    answer = requests.get(f'{guarded.url}/sign-in?next=/"><script>alert(1)</script>', timeout=5)
    assert "<script>" not in answer.text


def test_wrong_tokens_are_slowed_by_address_and_who_was_right_before_is_not(proxied):
    def ask(address, token):
        headers = {"X-Forwarded-For": address, **bearer(token)}
        return requests.get(f"{proxied.url}/api/v1/sources", headers=headers, timeout=5)

    assert ask("192.0.2.1", TOKEN).ok
    statuses = [ask("192.0.2.1", f"guess-{n:012}").status_code for n in range(14)]
    assert statuses[:10] == [401] * 10
    assert set(statuses[11:]) == {429}
    slowed = ask("192.0.2.1", "guess")
    assert int(slowed.headers["Retry-After"]) > 0
    assert ask("192.0.2.1", TOKEN).ok
    assert ask("192.0.2.2", "guess").status_code == 401
    # A guess that happens to be right has to wait as well.
    for n in range(14):
        ask("192.0.2.3", f"guess-{n:012}")
    assert ask("192.0.2.3", TOKEN).status_code == 429


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:9", 200),
        ("[::1]:9", 200),
        ("192.0.2.9", 200),
        ("boat.local", 200),
        ("boat", 200),
        ("speed.example.com", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("", 403),
        ("a b", 403),
        ("[::1", 403),
        ("localhost:abc", 403),
        ("localhost:99999", 403),
    ],
)
def test_server_answers_to_its_own_names(guarded, host, status):
    answer = requests.get(f"{guarded.url}/readyz", headers={"Host": host, **bearer(TOKEN)}, timeout=5)
    assert answer.status_code == status


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 403)])
def test_health_check_without_a_host_is_answered(guarded, path, status):
    """A load balancer's check is often HTTP/1.0, which needs no Host."""
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=10) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        assert client.recv(1000).split()[1] == str(status).encode()


def test_rebound_name_and_foreign_page_are_refused_without_any_token_too(server):
    assert requests.get(server.url, headers={"Host": "evil.example"}, timeout=5).status_code == 403
    foreign = {"Origin": "https://evil.example"}
    for method, path in WAYS:
        if method != "GET":
            answer = requests.request(method, server.url + path, headers=foreign, timeout=5)
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), path
    assert refusal(server, Origin="https://evil.example").status_code == 403
    assert refusal(server, "/ws/live", Origin="http://localhost:1").status_code == 403
    with server.connect("/ws?source=own-page", origin=server.url) as socket:
        socket.send('{"speed": 1}')
        assert socket.recv(5) == '{"speed": 1}'


def test_other_machines_need_a_token_even_where_none_is_set(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_PROXIES="1")
    far = {"X-Forwarded-For": "192.0.2.1"}
    answer = requests.get(f"{server.url}/readyz", headers=far, timeout=5)
    assert (answer.status_code, "SPEEDDASH_TOKEN" in answer.json()["detail"]) == (403, True)


def test_forwarded_headers_are_not_trusted_by_default(guarded):
    for n in range(12):
        headers = {"X-Forwarded-For": f"192.0.2.{n}", **bearer(f"guess-{n:012}")}
        last = requests.get(f"{guarded.url}/readyz", headers=headers, timeout=5)
    assert last.status_code == 429


def test_server_that_others_can_reach_makes_a_token_and_prints_the_address_that_carries_it(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db", wait_ready=False, SPEEDDASH_HOST="0.0.0.0")
    token = wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/\?token=(\S+)", server.output))[1]
    assert len(token) >= 32
    assert requests.get(f"{server.url}/readyz", timeout=5).status_code == 401
    assert requests.get(f"{server.url}/readyz", headers=bearer(token), timeout=5).ok
    assert requests.get(f"{server.url}/?token={token}", timeout=5).ok


def test_sockets_of_one_address_are_limited_and_others_come_in(proxied):
    def at(address):
        return {**proxied.headers, "X-Forwarded-For": address}

    with (
        proxied.connect("/ws", additional_headers=at("198.51.100.1")) as first,
        proxied.connect("/ws/live", additional_headers=at("198.51.100.1")),
        proxied.connect("/ws", additional_headers=at("198.51.100.2")),
    ):
        refused = refusal(proxied, "/ws", **at("198.51.100.1"))
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0
        first.close()

        def comes_in():
            try:
                with proxied.connect("/ws", additional_headers=at("198.51.100.1")):
                    return True
            except InvalidStatus:
                return False

        wait_for(comes_in)


def test_sender_that_is_too_fast_is_closed_with_1013_and_what_it_had_echoed_is_stored(proxied):
    echoed = 0
    headers = {**proxied.headers, "X-Forwarded-For": "198.51.100.3"}
    with proxied.connect("/ws?source=hasty", additional_headers=headers) as socket:
        with contextlib.suppress(ConnectionClosed):
            for seq in range(1000):
                socket.send(f'{{"speed": 1, "timestamp": 1769860800, "seq": {seq}}}')
                socket.recv(5)
                echoed += 1
        assert socket.protocol.close_rcvd.code == 1013
        assert "try again in" in socket.protocol.close_rcvd.reason
    assert echoed >= 5
    assert len(proxied.readings("hasty")) == echoed


def test_readings_of_one_address_over_http_are_limited_with_429(proxied):
    def post(address):
        headers = {**proxied.headers, "X-Forwarded-For": address}
        return requests.post(f"{proxied.url}/api/v1/readings", json=[{"speed": 1}] * 15, headers=headers, timeout=5)

    assert post("198.51.100.4").status_code == 201
    assert post("198.51.100.4").status_code == 201
    refused = post("198.51.100.4")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert post("198.51.100.5").status_code == 201


def test_array_above_the_rate_limit_is_413_and_an_import_is_read_no_faster(proxied):
    headers = {**proxied.headers, "X-Forwarded-For": "198.51.100.6"}
    post = requests.post(
        f"{proxied.url}/api/v1/readings", json=[{"speed": 1, "source": "bulk"}] * 21, headers=headers, timeout=5
    )
    assert (post.status_code, post.json()["code"]) == (413, "too_many_readings")
    with proxied.connect("/ws?source=bulk", additional_headers=headers) as socket:
        socket.send(json.dumps([{"speed": 1}] * 6))
        assert json.loads(socket.recv(5))["error"]["code"] == "too_many_readings"
        socket.send(json.dumps([{"speed": 1}] * 5))
        assert socket.recv(5).startswith("[")
    assert len(proxied.readings("bulk")) == 5
    rows = "time,speed\n" + "".join(f"2026-03-01 08:{at // 60:02}:{at % 60:02},5\n" for at in range(100))
    began = time.monotonic()
    account = requests.post(
        f"{proxied.url}/api/v1/import?name=slow.csv&source=slow", data=rows, headers=headers, timeout=60
    ).json()
    assert account["stored"] == 100
    assert time.monotonic() - began > 2.5  # 100 readings at 20 a second, a second's worth at once and one on credit


def test_frames_that_come_together_pass_no_further_than_the_rate_limit(proxied):
    headers = "".join(
        f"{name}: {value}\r\n" for name, value in {**proxied.headers, "X-Forwarded-For": "198.51.100.7"}.items()
    )
    with RawSocket(proxied.port, "/ws?source=burst", headers) as socket:
        socket.socket.sendall(b"".join(socket.frame(b'{"speed": 1, "seq": %d}' % seq) for seq in range(500)))
        assert socket.receive_close() == 1013
    assert 1 <= len(proxied.readings("burst")) <= 6


def test_body_above_the_limit_is_413(guarded):
    answer = requests.post(
        f"{guarded.url}/api/v1/readings",
        data=b" " * (1 << 20) + b"[]",
        headers={"Content-Type": "application/json", **bearer(TOKEN)},
        timeout=5,
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/", "/api/swagger", "/api/v1/sources", "/assets/page.css", "/nowhere", "/sign-in"])
def test_every_answer_has_security_headers(guarded, path):
    headers = requests.get(guarded.url + path, headers=bearer(TOKEN), timeout=5).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "geolocation=(self)" in headers["Permissions-Policy"]
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy["script-src"]
    assert policy["default-src"] == "'self'"


def test_debugging_stays_off_whatever_the_environment_says(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db", FLASK_DEBUG="1", DASH_DEBUG="1", DASH_HOT_RELOAD="1")
    config = re.search(
        r'_dash-config" type="application/json">(.*?)</script>', requests.get(server.url, timeout=5).text
    )[1]
    assert not json.loads(config).get("ui")
    assert "hot_reload" not in config
    broken = requests.post(f"{server.url}/_dash-update-component", data="{", timeout=5)
    assert "Traceback" not in broken.text
