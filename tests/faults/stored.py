"""What is stored, asked of the database itself."""

import sqlite3
from contextlib import closing

import pymysql
from sqlalchemy.engine import make_url

QUERY = "SELECT source, {time}, seq, speed FROM speed_data"


def stored_rows(database_url: str) -> list[tuple[str, int, int, float]]:
    """Every row: source, microseconds since the epoch, seq, speed."""
    url = make_url(database_url)
    if url.drivername == "sqlite":
        with closing(sqlite3.connect(url.database)) as connection:
            return connection.execute(QUERY.format(time="timestamp")).fetchall()
    with connected(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY.format(time="TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp)"))
        return list(cursor.fetchall())


def connected(database_url: str) -> pymysql.Connection:
    """A connection of the test's own."""
    url = make_url(database_url)
    return pymysql.connect(
        host=url.host, port=url.port, user=url.username, password=url.password or "", database=url.database, autocommit=True,
        connect_timeout=5, init_command="SET time_zone = '+00:00'",
    )  # fmt: skip
