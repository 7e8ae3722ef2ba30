"""Check Host, Origin and credentials of every request; add security headers."""

import re
import socket
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from speeddash.auth.access import ALL, SAFE_METHODS, Access, Permission, required_permission
from speeddash.auth.sign_in import SignIn
from speeddash.network.address import ip_of, parts_of
from speeddash.network.http import UNAUTHENTICATED
from speeddash.problem import problem
from speeddash.settings import Settings

HOST_NAME: Final = re.compile(r"[a-z0-9._-]+")
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: a browser would send a form of our own with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(self), screen-wake-lock=(self), fullscreen=(self), camera=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY: Final = (
    "default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Guard:
    """The checks of one Flask application, in this order: Host, Origin, role."""

    def __init__(self, settings: Settings, access: Access) -> None:
        self._access = access
        self._sign_in = SignIn(access)
        self._proxies = settings.proxies
        self._origins = frozenset(settings.allowed_origins or ())
        self._hosts = {
            settings.host.lower(),
            socket.gethostname().lower(),
            *(urlsplit(each).hostname for each in self._origins),
            urlsplit(settings.node_url or "").hostname,
        }
        self._policy = POLICY.format(scripts="")

    def register(self, app: Flask) -> None:
        """Check every request of an application from now on. Register it before anything else that checks requests."""
        if self._proxies:
            app.wsgi_app = ProxyFix(app.wsgi_app, x_for=self._proxies, x_proto=self._proxies, x_host=0)  # type: ignore[method-assign]
        app.before_request(self._check)
        app.after_request(self._harden)
        self._sign_in.register(app)
        self._views = app.view_functions

    def allow_scripts(self, hashes: Iterable[str]) -> None:
        """Let inline scripts run, by their hashes as a Content-Security-Policy names them."""
        self._policy = POLICY.format(scripts=" ".join(hashes))

    def _check(self) -> Response | None:
        request.environ[UNAUTHENTICATED] = True
        return self._check_host() or self._check_origin() or self._check_role()

    def _check_host(self) -> Response | None:
        """Reject unknown names: a page whose name was made to point here (DNS rebinding) sends that name."""
        if "HTTP_HOST" not in request.environ and self._permission() is Permission.PUBLIC:
            return None  # no browser leaves it out, but health checks of load balancers do
        parts = parts_of(f"//{request.environ.get('HTTP_HOST', '')}")
        host = parts and parts.hostname
        if host and (host in self._hosts or _is_private_name(host)):
            return None
        why = "this server does not answer to that Host; SPEEDDASH_ALLOWED_ORIGINS names the addresses of its page"
        return problem(403, why, code="unknown_host")

    def _check_origin(self) -> Response | None:
        """Reject sockets and writes from pages of other sites; the browser keeps answers from those pages itself."""
        origin = request.headers.get("Origin")
        if origin is None or (request.method in SAFE_METHODS and not is_socket()) or self._is_ours(origin.lower()):
            return None
        why = f"pages of {origin[:100]} may not use this server; SPEEDDASH_ALLOWED_ORIGINS lists those that may"
        return problem(403, why, code="foreign_origin")

    def _is_ours(self, origin: str) -> bool:
        parts = parts_of(origin)
        if parts is None:
            return False
        same_scheme = parts.scheme == "https" or not request.is_secure
        return origin in self._origins or (parts.netloc == request.host.lower() and same_scheme)

    def _check_role(self) -> Response | None:
        permission = self._permission()
        if not self._access.required:
            if not _is_local():
                return problem(
                    403, "other machines need a token, and this server has none: set SPEEDDASH_TOKEN", code="no_token"
                )
            role = ALL
        elif permission is Permission.PUBLIC:
            return None
        else:
            found = self._sign_in.role()
            if isinstance(found, Response):
                return found
            role = found
        if permission is not Permission.PUBLIC:
            request.environ[UNAUTHENTICATED] = False
        if permission is None or not role.may(permission):
            return problem(403, "the token does not allow it", code="not_allowed")
        g.role = role
        return None

    def _permission(self) -> Permission | None:
        """What the matched route requires. An address or method without a route is answered with 404 or 405 to readers."""
        if request.url_rule is None:
            return Permission.READ
        return required_permission(self._views.get(request.url_rule.endpoint))

    def _harden(self, response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = self._policy
        return response


def is_socket() -> bool:
    """Whether the current request was routed to a WebSocket endpoint.

    The route decides, not a header: a request that merely says `Upgrade: websocket` is answered as the HTTP request it is.
    """
    return request.url_rule is not None and request.url_rule.websocket


def _is_private_name(host: str) -> bool:
    """Whether a host cannot be a foreign name that points here: it is an address, or a name of this machine or a local network."""
    local = "." not in host or host.endswith((".localhost", ".local"))
    return ip_of(host) is not None or (local and HOST_NAME.fullmatch(host) is not None)


def _is_local() -> bool:
    """Whether the request comes from this machine."""
    address = ip_of(request.remote_addr or "")
    return address.is_loopback if address else not request.remote_addr  # none on a socket in the file system
