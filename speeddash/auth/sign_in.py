"""Credentials of a request: a bearer token, or the cookie of a sign-in on the page."""

from collections import OrderedDict
from functools import cache
from html import escape
from typing import Final
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, g, request

from speeddash.auth.access import COOKIE_AGE_S, SAFE_METHODS, Access, Permission, Role, allow, digest
from speeddash.files import shipped
from speeddash.network.address import parts_of
from speeddash.network.rate_limit import TokenBuckets
from speeddash.problem import problem, too_many

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
#: Prefix of the endpoints for apps of phones. No browser's cookie counts there.
PHONES: Final = "/in/"
#: Failed sign-ins of one client network: ten in a row, then one every 6 s.
MAX_FAILURES: Final = 10
FAILURE_INTERVAL_S: Final = 6.0
#: (Address, token) pairs that were valid before and are not slowed down by failures of the same network.
MAX_KNOWN_GOOD: Final = 10_000
#: Bytes of the sign-in form: a token and an address to go on to. It is read before credentials are known.
MAX_FORM_BYTES: Final = 4096


class SignIn:
    """Finds the role of a request, and serves the sign-in form. Everything here runs within a request."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._failures = TokenBuckets(1 / FAILURE_INTERVAL_S, MAX_FAILURES)
        self._known_good: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def register(self, app: Flask) -> None:
        """Add the sign-in form and the sign-out."""
        app.add_url_rule(SIGN_IN, "sign in", allow(Permission.PUBLIC, self.sign_in), methods=["GET", "POST"])
        app.add_url_rule(SIGN_OUT, "sign out", allow(Permission.SIGNED_IN, self.sign_out), methods=["POST"])

    def role(self) -> Role | Response:
        """Return the role of the request, or the response that asks for credentials."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = token.strip()
            return self._try(token) or _ask_for_token(wrong=bool(token))
        if request.path.startswith(PHONES):
            token = _token_of_phone()
            return self._try(token) or _ask_for_token(wrong=bool(token))
        if token := _token_of_link():
            return self._enter(token, _without_token())
        role = self._access.of_cookie(request.cookies.get(cookie_name(), ""))
        if role is None:
            return _ask_for_token()
        # An Origin that is there has been checked by the guard; a browser sends one with every write.
        if (
            request.method not in SAFE_METHODS
            and "Origin" not in request.headers
            and request.headers.get("Sec-Fetch-Site") != "same-origin"
        ):
            return problem(403, "a write by cookie must come from the page itself", code="foreign_origin")
        g.signed_in = True
        return role

    def sign_in(self) -> Response:
        """Show the form, or check the token that it sends."""
        request.max_content_length = request.max_form_memory_size = MAX_FORM_BYTES
        going_to = _local(request.values.get("next", "/"))
        if not self._access.required:
            return _see(going_to)
        if request.method == "GET":
            return _form(going_to, status=200)
        return self._enter(request.form.get("token", "").strip(), going_to)

    def sign_out(self) -> Response:
        """Delete the cookie."""
        answer = _see("/")
        answer.delete_cookie(cookie_name(), httponly=True, secure=request.is_secure, samesite="Lax")
        return answer

    def _try(self, token: str) -> Role | Response | None:
        """Return the role of a token, None for a wrong one.

        After too many failures a network has to wait, except with a token that the address has used before.
        """
        address = request.remote_addr or ""
        known = (address, digest(token))
        failures = self._failures.of(address)
        if known not in self._known_good and (wait_s := failures.wait_s()):
            return too_many("too many wrong tokens from this address", wait_s)
        role = self._access.of_token(token)
        if role is None:
            failures.take(1)
            return None
        self._known_good[known] = None
        if len(self._known_good) > MAX_KNOWN_GOOD:
            self._known_good.popitem(last=False)
        return role

    def _enter(self, token: str, going_to: str) -> Response:
        role = self._try(token)
        if isinstance(role, Response):
            answer = _form(going_to, "Too many wrong tokens. Wait a little and try again.", 429)
            answer.headers["Retry-After"] = role.headers["Retry-After"]
            return answer
        if role is None:
            return _form(going_to, "That is not a token of this server.")
        if role.source is not None:
            return _form(
                going_to, f"That token is for sending readings of {role.source}. It does not open the page.", 403
            )
        answer = _see(going_to)
        cookie = self._access.cookie(role)
        answer.set_cookie(
            cookie_name(), cookie, max_age=COOKIE_AGE_S, httponly=True, secure=request.is_secure, samesite="Lax"
        )
        return answer


def cookie_name() -> str:
    """A browser sends a host's cookies to all of its ports: each server has a cookie of its own."""
    return f"speeddash-{urlsplit(f'//{request.host}').port or request.scheme}"


def _token_of_link() -> str:
    """The token in the page's address, as the console prints it; the browser is redirected to the address without it."""
    return request.args.get("token", "") if request.method == "GET" and request.path == "/" else ""


def _token_of_phone() -> str:
    """The token as an app can send it: as the password of Basic, or in the query where it has nothing else. Empty for none."""
    basic = request.authorization
    password = basic.password if basic and basic.type == "basic" else None
    return password or request.args.get("token", "")


def _without_token() -> str:
    query = urlencode([(name, value) for name, value in request.args.items(multi=True) if name != "token"])
    return f"{request.path}?{query}" if query else request.path


def _ask_for_token(*, wrong: bool = False) -> Response:
    if request.method == "GET" and _wants_page():
        return _form(request.full_path if request.query_string else request.path)
    if wrong:
        answer = problem(401, "the token is not one of this server", code="wrong_token")
    elif request.path.startswith(PHONES):
        answer = problem(401, "a token is needed, as the app's password or as ?token=", code="no_token")
    else:
        answer = problem(401, "a token is needed: Authorization: Bearer TOKEN", code="no_token")
    answer.headers["WWW-Authenticate"] = 'Bearer realm="SpeedDash"'
    return answer


def _wants_page() -> bool:
    """Whether a browser asks for a page to show.

    Not `request.accept_mimetypes`: Werkzeug parses it in time that grows with the square of its length.
    """
    accept = request.headers.get("Accept", "")
    page, json = accept.find("text/html"), accept.find("application/json")
    return page >= 0 and (json < 0 or page < json)


def _local(address: str) -> str:
    """An address of this server; anything else becomes the page's."""
    parts = parts_of(address)
    elsewhere = parts is None or parts.scheme or parts.netloc or address.startswith("//") or "\\" in address
    return address if address.startswith("/") and address.isprintable() and not elsewhere else "/"


def _see(address: str) -> Response:
    return Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


@cache
def _template() -> str:
    return shipped("assets/sign-in.html").read_text(encoding="utf-8")


def _form(going_to: str, why: str = "", status: int = 401) -> Response:
    page = _template().replace("{next}", escape(going_to)).replace("{why}", escape(why))
    return Response(page, status, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})
