"""Who may do what: tokens, the roles that they give, and the cookie that stands for one after a sign-in."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

from flask import g
from itsdangerous import BadSignature, TimestampSigner

from speeddash.errors import FrameError
from speeddash.reading import Reading
from speeddash.settings import Settings

COOKIE_AGE_S: Final = 30 * 86_400
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Where senders connect, and where a sender's readings go by HTTP.
SENDER_SOCKETS: Final = frozenset({"/", "/ws"})
SENDER_POSTS: Final = frozenset({"/api/v1/readings", "/api/v1/import"})
#: The code of an error: a token sends what it is not for.
FOREIGN_SOURCE: Final = "foreign_source"
#: The page asks for its list of sources with a POST.
PAGE_CALLBACK: Final = "/_dash-update-component"


class Role(NamedTuple):
    """What somebody may do.

    Attributes:
        name: `all`, `read` (watches everything, changes nothing) or `send` (sends readings, and nothing else).
        source: The one source that a `send` may send; None in the other roles.
    """

    name: str
    source: str | None = None

    def allows(self, method: str, path: str, *, socket: bool) -> bool:
        """Whether a request may be made.

        Args:
            method: As in HTTP, in capitals.
            path: Without query.
            socket: It opens a WebSocket.
        """
        if self.name == "all":
            return True
        if self.name == "read":
            if socket:
                return path not in SENDER_SOCKETS
            return method in SAFE_METHODS or path == PAGE_CALLBACK
        return path in SENDER_SOCKETS if socket else method == "POST" and path in SENDER_POSTS

    def check(self, readings: Sequence[Reading]) -> None:
        """Return if these readings may be sent.

        Raises:
            FrameError: `foreign_source`, with the position of the first that may not.
        """
        if self.source is not None:
            for at, reading in enumerate(readings):
                if reading.source != self.source:
                    raise FrameError(
                        FOREIGN_SOURCE, f"the token sends readings of {self.source}, not of {reading.source}", at
                    )


ALL: Final = Role("all")
READ: Final = Role("read")


class Access:
    """The tokens of one server. Any greenlet may call it."""

    def __init__(self, token: str | None, read_token: str | None, source_tokens: Mapping[str, str]) -> None:
        named = {ALL: token, READ: read_token, **{Role("send", name): each for name, each in source_tokens.items()}}
        tokens = {role: each for role, each in named.items() if each is not None}
        self._digests = {role: digest(each) for role, each in tokens.items()}
        # Signed with the token that it stands for: a new token ends every session of the old one, and who may read learns
        # nothing about the token of who may do everything.
        self._signers = {
            role: TimestampSigner(each, salt=f"speeddash {role.name}", digest_method=hashlib.sha256)
            for role, each in tokens.items()
            if role in (ALL, READ)
        }

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The tokens that are set."""
        token, read_token = settings.token, settings.read_token
        return cls(
            token.get_secret_value() if token else None,
            read_token.get_secret_value() if read_token else None,
            {source: each.get_secret_value() for source, each in (settings.source_tokens or {}).items()},
        )

    @property
    def required(self) -> bool:
        """Nobody gets in without a token."""
        return bool(self._digests)

    def of_token(self, given: str) -> Role | None:
        """The role that a token gives; takes as long for any that gives none."""
        found = None
        wanted = digest(given)
        for role, kept in self._digests.items():
            if hmac.compare_digest(wanted, kept):
                found = role
        return found

    def cookie(self, role: Role) -> str:
        """What a browser keeps after a sign-in, for `COOKIE_AGE_S`."""
        return self._signers[role].sign(role.name).decode()

    def of_cookie(self, given: str) -> Role | None:
        """The role that a cookie stands for; None where it is old, forged, or of a token that is no more."""
        for role, signer in self._signers.items():
            try:
                if signer.unsign(given, max_age=COOKIE_AGE_S) == role.name.encode():
                    return role
            except BadSignature:
                continue
        return None


def current_role() -> Role:
    """The role of the request under way."""
    role: Role = g.get("role", ALL)
    return role


def digest(token: str) -> bytes:
    """What a token is compared and remembered by: it has one length, and does not give the token back."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
