"""What the places of the page have in common: who visits, and callbacks that check it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, Protocol

import dash
from dash import ctx
from dash.development.base_component import Component
from flask import abort

from speeddash.auth.access import Permission, current_role
from speeddash.page.reader import Reader
from speeddash.problem import problem


class Visitor(NamedTuple):
    """A visitor of the page.

    Attributes:
        may_send: May send readings.
        may_change: May change what is stored: names, limits, notes.
        signed_in: Can sign out.
    """

    may_send: bool = True
    may_change: bool = True
    signed_in: bool = False


def may_change() -> bool:
    """Return whether the visitor of the current request may change what is stored."""
    return current_role().may(Permission.ADMIN)


def changed_control() -> Any:
    """Return the id of the control that a person changed, or None.

    When a place appears, Dash calls its callbacks with all controls changed at once. A click made before the answer came is one of them.
    """
    changed = [each for each in ctx.triggered if each["value"] is not None]
    if len(ctx.triggered) > 1:
        changed = [each for each in changed if each["prop_id"].endswith(".n_clicks") and each["value"]]
    return ctx.triggered_prop_ids[changed[0]["prop_id"]] if len(changed) == 1 else None


class Place(Protocol):
    """One place of the page: `/trips`, for example.

    Attributes:
        path: Its address.
        title: Its name in the navigation.
    """

    path: str
    title: str

    def layout(self, search: str, reader: Reader, visitor: Visitor) -> Component:
        """Return its components for the query of an address."""
        ...

    def register(self, callbacks: "Callbacks") -> None:
        """Add its callbacks."""
        ...


class Callbacks:
    """The server callbacks of one Dash application.

    All of them are called through one address, which visitors who may only watch need too, so those that change something check
    the visitor's role themselves.
    """

    def __init__(self, app: dash.Dash) -> None:
        self._app = app
        #: Outputs of the callbacks that change something.
        self.changing: list[str] = []

    def read(self, function: Callable[..., Any], *dependencies: Any, **options: Any) -> None:
        """Add a callback that changes nothing.

        Args:
            function: Called with the values of inputs and states.
            dependencies: `Output`, `Input` and `State`.
            options: Further arguments of `Dash.callback`.
        """
        self._app.callback(*dependencies, **options)(function)

    def change(self, function: Callable[..., Any], *dependencies: Any, **options: Any) -> None:
        """Add a callback that changes what is stored; visitors without the permission are answered 403. Arguments as in `read`."""

        @wraps(function)
        def checked(*args: Any) -> Any:
            if not may_change():
                abort(problem(403, "the token does not allow it", code="not_allowed"))
            return function(*args)

        self._app.callback(*dependencies, **options, prevent_initial_call=True)(checked)
        self.changing.append(self._app._callback_list[-1]["output"])
