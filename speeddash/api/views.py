"""Methods as views."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def view(method: Callable[P, T]) -> Callable[P, T]:
    """A function that calls a method: flask-openapi3 writes on what it serves, and a method cannot be written on."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return method(*args, **kwargs)

    return call
