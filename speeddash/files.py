"""Files that are not Python: `assets/` and `schema.sql`."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Return the absolute path of a file or folder that is part of SpeedDash.

    In a wheel it is inside the package, in a checkout beside it.
    """
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
