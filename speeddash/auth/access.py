"""Tokens, the roles that they give, the permissions of each role, and the cookie of a sign-in."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import wraps
from typing import Any, Final, NamedTuple, ParamSpec, Self, TypeVar

from flask import Flask, g
from itsdangerous import BadSignature, TimestampSigner

from speeddash.errors import InvalidInput
from speeddash.reading import Reading
from speeddash.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
COOKIE_AGE_S: Final = 30 * 86_400
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Error code for a reading of a source that the token is not for.
FOREIGN_SOURCE: Final = "foreign_source"


class Permission(Enum):
    """What an endpoint requires. Every route declares one with `allow`; a route without one answers nobody."""

    #: No token: the health check and the sign-in form.
    PUBLIC = "public"
    #: Any role that a person can sign in with.
    SIGNED_IN = "signed in"
    #: Watching: it changes nothing.
    READ = "read"
    #: Sending readings.
    SEND = "send"
    #: Everything else: removing, renaming, limits, readings to a connection.
    ADMIN = "admin"


class Role(NamedTuple):
    """What a token gives.

    Attributes:
        name: `all`, `read` (watches everything, changes nothing), `send` (only sends readings) or `none`.
        source: The one source that a `send` role may send; None in the other roles.
    """

    name: str
    source: str | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the role has a permission."""
        return permission in PERMISSIONS[self.name]

    def check(self, readings: Sequence[Reading]) -> None:
        """Check that readings may be sent.

        Raises:
            InvalidInput: `foreign_source`, with the position of the first reading that may not.
        """
        if not self.may(Permission.SEND):
            raise InvalidInput(FOREIGN_SOURCE, "the token is not for sending readings")
        if self.source is not None:
            for at, reading in enumerate(readings):
                if reading.source != self.source:
                    raise InvalidInput(
                        FOREIGN_SOURCE, f"the token is for readings of {self.source}, not of {reading.source}", at
                    )


ALL: Final = Role("all")
READ: Final = Role("read")
#: Role of a request that was not checked.
NONE: Final = Role("none")
PERMISSIONS: Final = {
    "all": frozenset(Permission),
    "read": frozenset({Permission.PUBLIC, Permission.SIGNED_IN, Permission.READ}),
    "send": frozenset({Permission.PUBLIC, Permission.SEND}),
    "none": frozenset({Permission.PUBLIC}),
}


def allow(permission: Permission, function: Callable[P, T]) -> Callable[P, T]:
    """Return a view function that declares its permission; `required_permission` reads it.

    It is a new function because neither Flask nor flask-openapi3 can put attributes on a bound method.
    """

    @wraps(function)
    def view(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)

    view.permission = permission  # type: ignore[attr-defined]
    return view


def allow_all(permission: Permission, app: Flask, endpoints: Iterable[str]) -> None:
    """Declare the permission of endpoints that a library has registered."""
    views: dict[str, Any] = app.view_functions
    for endpoint in endpoints:
        views[endpoint] = allow(permission, views[endpoint])


def required_permission(view: Callable[..., Any] | None) -> Permission | None:
    """Return the permission that a view function declares; None where it declares none."""
    return getattr(view, "permission", None)


class Access:
    """The tokens of one server. Any greenlet may call it."""

    def __init__(self, token: str | None, read_token: str | None, source_tokens: Mapping[str, str]) -> None:
        named = {ALL: token, READ: read_token, **{Role("send", name): each for name, each in source_tokens.items()}}
        tokens = {role: each for role, each in named.items() if each is not None}
        self._digests = {role: digest(each) for role, each in tokens.items()}
        # Signed with the token of the role: a new token ends every session of the old one, and a reader's cookie reveals nothing
        # about the other token.
        self._signers = {
            role: TimestampSigner(each, salt=f"speeddash {role.name}", digest_method=hashlib.sha256)
            for role, each in tokens.items()
            if role in (ALL, READ)
        }

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the tokens of the settings."""
        token, read_token = settings.token, settings.read_token
        return cls(
            token.get_secret_value() if token else None,
            read_token.get_secret_value() if read_token else None,
            {source: each.get_secret_value() for source, each in (settings.source_tokens or {}).items()},
        )

    @property
    def required(self) -> bool:
        """Whether requests need a token."""
        return bool(self._digests)

    def of_token(self, given: str) -> Role | None:
        """Return the role of a token, None for a wrong one, in a time that does not depend on the token."""
        found = None
        wanted = digest(given)
        for role, stored in self._digests.items():
            if hmac.compare_digest(wanted, stored):
                found = role
        return found

    def cookie(self, role: Role) -> str:
        """Return the cookie of a sign-in, valid for `COOKIE_AGE_S`."""
        return self._signers[role].sign(role.name).decode()

    def of_cookie(self, given: str) -> Role | None:
        """Return the role of a cookie; None for one that is expired, forged, or signed with a token that is not set any more."""
        for role, signer in self._signers.items():
            try:
                if signer.unsign(given, max_age=COOKIE_AGE_S) == role.name.encode():
                    return role
            except BadSignature:
                continue
        return None


def current_role() -> Role:
    """Return the role of the current request; `NONE` unless the guard has set another one."""
    role: Role = g.get("role", NONE)
    return role


def digest(token: str) -> bytes:
    """Return the digest by which a token is compared and remembered."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
