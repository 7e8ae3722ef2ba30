"""Changes of the schema from version to version.

Design: `schema.sql` (and `sqlite.SCHEMA`) is the whole current schema; it creates what is missing and changes nothing. A change of a table
that exists is a migration below, with a new version. The table `speed_schema` holds the versions that were applied; a new database gets
the current one. Both databases commit each DDL statement by itself, so a statement may run again after an interruption: an error that
says that its effect exists already is ignored.
"""

import logging
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import DBAPIError

from speeddash.errors import StoreMisconfigured
from speeddash.store.tables import speed_schema

log = logging.getLogger(__name__)

#: The table, the column or the key exists already: codes of MySQL and MariaDB, beginning of SQLite's message.
EXISTS_CODES: Final = {1050, 1060, 1061}
EXISTS_MESSAGE: Final = "duplicate column name"


class Migration(NamedTuple):
    """One change of the schema.

    Attributes:
        version: The version that the schema has afterwards.
        what: What changes, and what it costs a large table: instant, in place (writers go on) or copying (writers wait).
        mysql: Statements for MySQL and MariaDB.
        sqlite: Statements for SQLite.
    """

    version: int
    what: str
    mysql: Sequence[str]
    sqlite: Sequence[str]


#: Version 1 is the schema from before there were versions.
MIGRATIONS: Final = (
    Migration(
        2,
        "index of events by delivery; in place",
        ["CREATE INDEX speed_event_delivery ON speed_event (tell, ongoing, try_us)"],
        ["CREATE INDEX IF NOT EXISTS speed_event_delivery ON speed_event (tell, ongoing, try_us)"],
    ),
    Migration(
        3,
        "names of sources that people see; instant",
        [
            "ALTER TABLE speed_source ADD COLUMN display_name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL"
        ],
        ["ALTER TABLE speed_source ADD COLUMN display_name TEXT"],
    ),
    Migration(
        4,
        "notifications of events; columns instant, index in place",
        [
            "ALTER TABLE speed_event ADD COLUMN notice TINYINT NOT NULL DEFAULT 0",
            "ALTER TABLE speed_event ADD COLUMN notice_tries INT UNSIGNED NOT NULL DEFAULT 0",
            "ALTER TABLE speed_event ADD COLUMN notice_us BIGINT NOT NULL DEFAULT 0",
            "CREATE INDEX speed_event_notice ON speed_event (notice, notice_us)",
        ],
        [
            "ALTER TABLE speed_event ADD COLUMN notice INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE speed_event ADD COLUMN notice_tries INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE speed_event ADD COLUMN notice_us INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX IF NOT EXISTS speed_event_notice ON speed_event (notice, notice_us)",
        ],
    ),
    Migration(
        5,
        "numbers below 2^63 for rows without one, on MySQL; instant",
        ["ALTER TABLE speed_data ALTER COLUMN seq SET DEFAULT (UUID_SHORT() & 9223372036854775807)"],
        [],
    ),
)
VERSION: Final = MIGRATIONS[-1].version


def check_version(connection: Connection) -> int:
    """Return the version of the schema; a database without one has version 1.

    Raises:
        StoreMisconfigured: A newer program has changed the schema.
    """
    version: int = connection.execute(select(func.max(speed_schema.c.version))).scalar() or 1
    if version > VERSION:
        raise StoreMisconfigured(
            f"the database has schema version {version}, and this SpeedDash knows versions up to {VERSION}: use a newer SpeedDash"
        )
    return version


def migrate(connection: Connection, ignore_duplicates: str) -> None:
    """Bring the schema to the current version. The caller holds the schema lock.

    Args:
        connection: Its transaction is committed after each migration.
        ignore_duplicates: See `Database.ignore_duplicates`.

    Raises:
        StoreMisconfigured: See `check_version`.
    """
    version = check_version(connection)
    for migration in MIGRATIONS:
        if migration.version <= version:
            continue
        log.info("schema version %d: %s", migration.version, migration.what)
        began = time.monotonic()
        for statement in migration.mysql if connection.dialect.name == "mysql" else migration.sqlite:
            try:
                connection.exec_driver_sql(statement)
            except DBAPIError as error:
                if not _exists_already(error):
                    raise
        connection.execute(insert(speed_schema).prefix_with(ignore_duplicates), {"version": migration.version})
        connection.commit()
        log.info("schema version %d: done in %.1f s", migration.version, time.monotonic() - began)


def _exists_already(error: DBAPIError) -> bool:
    code_or_message = error.orig.args[0] if error.orig else None
    return code_or_message in EXISTS_CODES or str(code_or_message).startswith(EXISTS_MESSAGE)
