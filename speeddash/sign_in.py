"""How somebody shows who they are: a bearer token, or a cookie that a sign-in on the page has left."""

from collections import OrderedDict
from functools import cache
from html import escape
from typing import Final
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, g, request

from speeddash.access import COOKIE_AGE_S, SAFE_METHODS, Access, Role, digest
from speeddash.address import parts_of
from speeddash.allowance import Allowances
from speeddash.files import shipped
from speeddash.problem import problem, too_many

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
#: An address may be wrong so often at once, and then once in so many seconds.
GUESSES: Final = 10
GUESS_S: Final = 6.0
#: Who was right before is not slowed down by others of the same address; so many are remembered.
KNOWN_GOOD: Final = 10_000


class SignIn:
    """Tells who sends a request, and takes tokens from those who do not say. Everything here runs within a request."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._guesses = Allowances(1 / GUESS_S, GUESSES)
        self._known_good: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def register(self, app: Flask) -> None:
        """Add the form and the way out."""
        app.add_url_rule(SIGN_IN, "sign in", self.sign_in, methods=["GET", "POST"])
        app.add_url_rule(SIGN_OUT, "sign out", self.sign_out, methods=["POST"])

    def who(self) -> Role | Response:
        """The role of the request, or the answer that asks for one."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._try(token.strip()) or _who_are_you()
        if token := _token_of_link():
            return self._enter(token, _without_token())
        role = self._access.of_cookie(request.cookies.get(cookie_name(), ""))
        if role is None:
            return _who_are_you()
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
        """The form, and what it sends."""
        going_to = _local(request.values.get("next", "/"))
        if not self._access.required:
            return _see(going_to)
        if request.method == "GET":
            return _form(going_to, status=200)
        return self._enter(request.form.get("token", "").strip(), going_to)

    def sign_out(self) -> Response:
        """Forget the cookie."""
        answer = _see("/")
        answer.delete_cookie(cookie_name(), httponly=True, secure=request.is_secure, samesite="Lax")
        return answer

    def _try(self, token: str) -> Role | Response | None:
        """The role of a token. Who was wrong too often has to wait, right or wrong."""
        address = request.remote_addr or ""
        known = (address, digest(token))
        guesses = self._guesses.of(address)
        if known not in self._known_good and (wait_s := guesses.wait_s()):
            return too_many("too many wrong tokens from this address", wait_s)
        role = self._access.of_token(token)
        if role is None:
            guesses.take(1)
            return None
        self._known_good[known] = None
        if len(self._known_good) > KNOWN_GOOD:
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
            return _form(going_to, f"That token sends readings of {role.source}; it does not open the page.", 403)
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
    """The address of the page may carry the token, as the console prints it; the browser is sent on without it."""
    return request.args.get("token", "") if request.method == "GET" and request.path == "/" else ""


def _without_token() -> str:
    query = urlencode([(name, value) for name, value in request.args.items(multi=True) if name != "token"])
    return f"{request.path}?{query}" if query else request.path


def _who_are_you() -> Response:
    if (
        request.method == "GET"
        and request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    ):
        return _form(request.full_path if request.query_string else request.path)
    answer = problem(401, "a token is needed: Authorization: Bearer TOKEN", code="no_token")
    answer.headers["WWW-Authenticate"] = 'Bearer realm="SpeedDash"'
    return answer


def _local(address: str) -> str:
    """An address of this server; anything else becomes the page's."""
    parts = parts_of(address)
    elsewhere = parts is None or parts.scheme or parts.netloc or "\\" in address
    return address if address.startswith("/") and address.isprintable() and not elsewhere else "/"


def _see(address: str) -> Response:
    return Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


@cache
def _template() -> str:
    return shipped("assets/sign-in.html").read_text(encoding="utf-8")


def _form(going_to: str, why: str = "", status: int = 401) -> Response:
    page = _template().replace("{next}", escape(going_to)).replace("{why}", escape(why))
    return Response(page, status, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})
