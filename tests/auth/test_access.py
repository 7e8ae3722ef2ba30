import pytest
from flask import Flask

from speeddash.app import create_app
from speeddash.auth import access
from speeddash.auth.access import (
    ALL,
    NONE,
    READ,
    SAFE_METHODS,
    Access,
    Permission,
    Role,
    current_role,
    required_permission,
)
from speeddash.errors import InvalidInput
from speeddash.reading import Reading
from speeddash.settings import Settings

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
    ("role", "permissions"),
    [
        (ALL, {"public", "signed in", "read", "send", "admin"}),
        (READ, {"public", "signed in", "read"}),
        (Role("send", "car"), {"public", "send"}),
        (NONE, {"public"}),
    ],
)
def test_roles_have_the_permissions_they_are_for(role, permissions):
    assert {each.value for each in Permission if role.may(each)} == permissions


def test_unchecked_request_has_no_permission():
    with Flask(__name__).test_request_context():
        assert current_role() == NONE
        with pytest.raises(InvalidInput):
            current_role().check([Reading("car", 0, 0, 1.0)])


def test_every_route_declares_a_permission_and_only_senders_and_administrators_change_something(tmp_path):
    app = create_app(Settings.load(database_url=f"sqlite:///{tmp_path}/speed.db")).server
    routes = {(rule.rule, rule.websocket): rule for rule in app.url_map.iter_rules()}
    assert ("/ws/live", True) in routes
    for rule in app.url_map.iter_rules():
        permission = required_permission(app.view_functions[rule.endpoint])
        changes = rule.methods - SAFE_METHODS or (rule.websocket and rule.rule in ("/", "/ws"))
        if rule.rule in ("/sign-in", "/healthz"):
            assert permission is Permission.PUBLIC
        elif rule.rule == "/_dash-update-component":  # its callbacks change nothing on the server
            assert permission is Permission.READ
        elif rule.rule in ("/sign-out", "/api/<path:unknown>"):
            assert permission is Permission.SIGNED_IN
        elif changes:
            assert permission in (Permission.SEND, Permission.ADMIN), rule
        else:
            assert permission in (Permission.READ, Permission.SEND), rule
