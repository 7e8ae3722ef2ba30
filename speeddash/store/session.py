"""How a query reaches the database."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
T = TypeVar("T")


class Session(Protocol):
    """Runs queries: each in a transaction of its own (`Database`), or all in one (`Snapshot`)."""

    def ask(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a query returns, answered from one state of the database.

        Args:
            query: Called with a connection and the other arguments. It reads and does not write.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Raises:
            StoreError: The database cannot answer.
        """
        ...
