import pytest

from speeddash import access
from speeddash.access import ALL, READ, Access, Role

TOKEN, READ_TOKEN, CAR_TOKEN = "all-0123456789abcdef", "read-0123456789abcdef", "car-0123456789abcdef"


@pytest.fixture
def tokens():
    return Access(TOKEN, READ_TOKEN, {"car": CAR_TOKEN})


def test_token_gives_its_role_and_no_other(tokens):
    assert tokens.of_token(TOKEN) == ALL
    assert tokens.of_token(READ_TOKEN) == READ
    assert tokens.of_token(CAR_TOKEN) == Role("send", "car")
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ä", "\udcff"):
        assert tokens.of_token(wrong) is None


def test_nothing_is_required_where_no_token_is_set():
    assert not Access(None, None, {}).required
    assert Access(None, None, {}).of_token("") is None


def test_cookie_gives_the_role_it_was_made_for(tokens):
    assert tokens.of_cookie(tokens.cookie(ALL)) == ALL
    assert tokens.of_cookie(tokens.cookie(READ)) == READ


def test_cookie_that_was_changed_is_none(tokens):
    cookie = tokens.cookie(READ)
    assert tokens.of_cookie(cookie.replace("read", "all", 1)) is None
    assert tokens.of_cookie(cookie[:-1]) is None
    assert tokens.of_cookie("") is None


def test_new_token_ends_the_sessions_of_the_old_one(tokens):
    assert Access("new-0123456789abcdef", READ_TOKEN, {}).of_cookie(tokens.cookie(ALL)) is None
    assert Access("new-0123456789abcdef", READ_TOKEN, {}).of_cookie(tokens.cookie(READ)) == READ


def test_old_cookie_is_none(tokens, monkeypatch):
    cookie = tokens.cookie(ALL)
    monkeypatch.setattr(access, "COOKIE_AGE_S", -1)
    assert tokens.of_cookie(cookie) is None


@pytest.mark.parametrize(
    ("method", "path", "socket", "reader", "sender"),
    [
        ("GET", "/", False, True, False),
        ("GET", "/", True, False, True),
        ("GET", "/ws", True, False, True),
        ("GET", "/ws/live", True, True, False),
        ("GET", "/api/v1/readings", False, True, False),
        ("POST", "/api/v1/readings", False, False, True),
        ("POST", "/api/v1/import", False, False, True),
        ("DELETE", "/api/v1/readings", False, False, False),
        ("PATCH", "/api/v1/sources/car", False, False, False),
        ("POST", "/send", False, False, False),
        ("POST", "/_dash-update-component", False, True, False),
        ("GET", "/metrics", False, True, False),
        ("GET", "/api/v1/export.csv", False, True, False),
    ],
)
def test_roles_allow_what_they_are_for(method, path, socket, reader, sender):
    assert READ.allows(method, path, socket=socket) is reader
    assert Role("send", "car").allows(method, path, socket=socket) is sender
    assert ALL.allows(method, path, socket=socket)
