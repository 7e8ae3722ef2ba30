"""Keeps rollups valid: finds dirty hours, computes them from their readings, and removes old readings whose rollups stay."""

from collections.abc import Callable, Collection, Sequence
from functools import reduce

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select

from speeddash.errors import RowsLocked
from speeddash.segment import Segment, merge
from speeddash.store.database import ROWS_PER_STATEMENT, Database
from speeddash.store.leases import SourceLock
from speeddash.store.maintenance import remove_oldest
from speeddash.store.rollups import minutes_kept, seconds_and_minutes
from speeddash.store.sources import settings
from speeddash.store.tables import speed_dirty, speed_rollup, speed_source
from speeddash.store.validity import first_unrolled, has_readings, is_marked, seconds, unmarked_hours
from speeddash.store.writer import GRACE_PERIOD_S, Hour
from speeddash.timerange import EVER_US, HOUR_US, MINUTE_US, SECOND_US, TimeRange, hour_of

#: A rollup: its width in microseconds, and its figures.
Computed = tuple[int, Segment]


class RollupMaintenance:
    """Marks and computes rollups. Any thread or greenlet may call it."""

    def __init__(self, database: Database, source_lock: SourceLock) -> None:
        self._database = database
        self._source_lock = source_lock

    def dirty_hours(self, *, grace_s: float = GRACE_PERIOD_S, limit: int) -> list[Hour]:
        """Return hours that got or lost readings since they were rolled up, whose mark is older than `grace_s`."""
        return self._database.ask(_dirty_hours, self._database.now_us, round(grace_s * 1e6), limit)

    def unmarked_hours(self, source: str) -> list[int]:
        """Return the hours after the last rolled-up one that hold readings and have no mark: other programs inserted them."""
        return self._database.ask(unmarked_hours, source, EVER_US)

    def mark(self, source: str, hours: Collection[int]) -> None:
        """Mark hours of a source dirty."""
        ordered = sorted(hours)
        for at in range(
            0, len(ordered), ROWS_PER_STATEMENT
        ):  # in steps: a commit of readings waits for one of them at most
            self._database.change(self._database.mark_dirty, source, ordered[at : at + ROWS_PER_STATEMENT])

    def roll_up(
        self,
        source: str,
        hour_us: int,
        *,
        grace_s: float = GRACE_PERIOD_S,
        before: Callable[[str, int], object] | None = None,
    ) -> None:
        """Compute an hour from its readings. Earlier hours that are neither rolled up nor marked are marked first.

        Where readings of the hour were removed for their age, only minutes that had none before are added to its rollups.

        Args:
            source: Name of the source.
            hour_us: Beginning of the hour.
            grace_s: The mark of the hour is removed if it is older.
            before: Called first, with source and hour. If it raises, the mark stays.
        """
        with self._source_lock.here:
            if before:
                before(source, hour_us)
            missing, computed = self._database.ask(_compute, source, hour_us)
            self.mark(source, missing)
            self._database.change(_write, source, hour_us, computed, self._database.now_us, round(grace_s * 1e6))

    def retain(self, source: str, before_us: int) -> int:
        """Remove some of the readings before a moment, and leave the rollups of their minutes and hours.

        Readings stay that no rollup holds yet, and those after them.

        Returns:
            How many; 0 when none is left.
        """

        def step(connection: Connection) -> int:
            until_us = min(before_us, first_unrolled(connection, source, before_us))
            removed = remove_oldest(connection, source, TimeRange(to_us=until_us))
            if not removed:
                return 0
            last_us = removed[-1].at_us
            end_us = last_us - last_us % HOUR_US + HOUR_US
            if is_marked(connection, source, end_us):
                raise RowsLocked("readings have arrived among those to remove")
            if (settings(connection, source).raw_from_us or -EVER_US) < end_us:
                self._database.upsert(connection, speed_source, [{"source": source, "raw_from_us": end_us}])
            r = speed_rollup.c
            old = (r.source == source, r.width_s == seconds(SECOND_US), r.at_us <= last_us)
            connection.execute(delete(speed_rollup).where(*old))
            return len(removed)

        return self._database.change(step)


def _dirty_hours(connection: Connection, now_us: ColumnElement[int], grace_us: int, limit: int) -> list[Hour]:
    d, s = speed_dirty.c, speed_source.c
    # While a source is being renamed its readings have two names.
    being_renamed = (
        select(s.source)
        .where(s.renamed_to.is_not(None))
        .union_all(select(s.renamed_to).where(s.renamed_to.is_not(None)))
    )
    due = (d.marked_us <= now_us - grace_us, d.source.not_in(being_renamed))
    query = select(d.source, d.hour_us).where(*due).order_by(d.source, d.hour_us).limit(limit)
    return [(source, hour_us) for source, hour_us in connection.execute(query)]


def _compute(connection: Connection, source: str, hour_us: int) -> tuple[list[int], list[Computed] | None]:
    """Return earlier hours without a mark, and the rollups of this one; None where they stay as they are."""
    missing = unmarked_hours(connection, source, hour_us)
    fine, minutes = seconds_and_minutes(connection, source, hour_of(hour_us))
    if not has_readings(connection, source, hour_us):
        # In a minute that has a rollup, a reading cannot be told from those that were removed.
        kept = minutes_kept(connection, source, hour_of(hour_us))
        held = {each.at_us for each in kept}
        late = [each for each in minutes if each.at_us not in held]
        if not (kept and late):
            return missing, None
        fine, minutes = [], sorted([*kept, *late])
    whole = [reduce(merge, minutes)._replace(at_us=hour_us)] if minutes else []
    widths = ((SECOND_US, fine), (MINUTE_US, minutes), (HOUR_US, whole))
    return missing, [(width_us, each) for width_us, found in widths for each in found]


def _write(
    connection: Connection,
    source: str,
    hour_us: int,
    computed: Sequence[Computed] | None,
    now_us: ColumnElement[int],
    grace_us: int,
) -> None:
    """Replace the rollups of an hour, and remove its mark if it is older than `grace_us`; None leaves the rollups."""
    d, r = speed_dirty.c, speed_rollup.c
    if computed is not None:
        widths = r.width_s.in_([seconds(each) for each in (SECOND_US, MINUTE_US, HOUR_US)])
        inside = and_(r.source == source, widths, r.at_us >= hour_us, r.at_us < hour_us + HOUR_US)
        connection.execute(delete(speed_rollup).where(inside))
    rows = [{"source": source, "width_s": seconds(width_us), **each._asdict()} for width_us, each in computed or ()]
    for at in range(0, len(rows), ROWS_PER_STATEMENT):  # other greenlets run between two
        connection.execute(insert(speed_rollup), rows[at : at + ROWS_PER_STATEMENT])
    mark = and_(d.source == source, d.hour_us == hour_us, d.marked_us <= now_us - grace_us)
    connection.execute(delete(speed_dirty).where(mark))
