"""The files that are not Python: `assets/` and `schema.sql`."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Absolute path of a file or folder that comes with SpeedDash.

    A wheel carries it inside the package, a checkout has it at the top level beside the package.
    """
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
