"""The store: readings and everything derived from them, in MySQL, MariaDB or SQLite. All SQL of SpeedDash is in this package."""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from speeddash.errors import SettingsError
from speeddash.store.database import Durability
from speeddash.store.events import Event, Notice
from speeddash.store.mysql import MySQL
from speeddash.store.primary import SETTING, hosts_of
from speeddash.store.sources import SourceSettings
from speeddash.store.sqlite import SQLite
from speeddash.store.store import Queries, Store
from speeddash.store.tables import Bucket, Key, Span
from speeddash.store.trip_notes import TripNote
from speeddash.store.writer import GRACE_PERIOD_S, ReadingWriter

__all__ = [
    "GRACE_PERIOD_S", "Bucket", "Durability", "Event", "Key", "Notice", "Queries", "ReadingWriter", "SourceSettings", "Span",
    "Store", "TripNote", "open_store",
]  # fmt: skip

#: Options of a URL that name files.
CERTIFICATES = {"ssl_ca", "ssl_capath", "ssl_cert", "ssl_key"}
MYSQL_SCHEMES = {"mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"}


def open_store(url: str, *, timeout_s: float = 10.0) -> Store:
    """Return the store of a database URL, not connected yet.

    Args:
        url: `sqlite:///FILE`, or `mysql://USER:PASSWORD@HOST:PORT/DATABASE` (`mariadb://` and `+pymysql` are the same). Of several
            hosts, `HOST:PORT,HOST:PORT`, the one that takes writes is used.
        timeout_s: Longest time that the database may take to answer a statement.

    Raises:
        SettingsError: The URL has another form. The message does not contain its password.
    """
    first, hosts = hosts_of(url)
    try:
        parsed = make_url(first)
    except (ArgumentError, ValueError):
        raise SettingsError(
            SETTING, "not a database URL; allowed are sqlite:///FILE or mysql://USER:PASSWORD@HOST/DATABASE"
        ) from None
    if parsed.drivername == "sqlite":
        return Store(SQLite(_sqlite_url(parsed), timeout_s))
    if parsed.drivername in MYSQL_SCHEMES:
        return Store(MySQL(_mysql_url(parsed), timeout_s, hosts))
    raise SettingsError(SETTING, f"SpeedDash stores its readings in sqlite or mysql, not in {parsed.drivername}")


def _sqlite_url(url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.host:
        raise SettingsError(SETTING, "sqlite needs a file, such as sqlite:///speeddash.db; memory keeps nothing")
    return url.set(database=str(Path(url.database).absolute()))


def _mysql_url(url: URL) -> URL:
    if not url.host and "unix_socket" not in url.query:
        raise SettingsError(SETTING, "mysql needs a host: mysql://USER:PASSWORD@HOST:3306/DATABASE")
    if {"password", "passwd"} & url.query.keys():  # it would be shown
        raise SettingsError(SETTING, "write the password before the host: mysql://USER:PASSWORD@HOST:3306/DATABASE")
    if not url.database:
        raise SettingsError(SETTING, "mysql needs the name of a database: mysql://USER:PASSWORD@HOST:3306/DATABASE")
    if url.port is not None and not 0 < url.port < 65536:
        raise SettingsError(SETTING, f"there is no port {url.port}")
    for option in CERTIFICATES & url.query.keys():
        path = str(url.query[option])
        if not Path(path).exists():
            raise SettingsError(SETTING, f"{option}: there is no file {path}")
    return url.set(drivername="mysql+pymysql")
