"""What the command line of a running program shows to every user of the machine."""

import os
import sys

from speeddash.network.address import parts_of
from speeddash.settings import PREFIX
from speeddash.store.primary import hosts_of


def hide_password(database_url: str | None) -> None:
    """Restart with a database URL in the environment if it has a password."""
    parts = parts_of(hosts_of(database_url or "")[0])
    words = sys.orig_argv
    at = next((at for at, word in enumerate(words) if word.startswith("--database-url")), None)
    if database_url and parts and parts.password and at is not None:
        os.environ[f"{PREFIX}DATABASE_URL"] = database_url
        rest = at + (1 if "=" in words[at] else 2)
        os.execv(sys.executable, [*words[:at], *words[rest:]])  # noqa: S606 - the same command
