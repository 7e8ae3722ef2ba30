"""Events as a pure function of readings and a limit."""

from collections.abc import Iterable, Iterator

from speeddash.reading import Reading
from speeddash.segment import GAP_US
from speeddash.store import Event
from speeddash.timerange import EVER_US


def above(
    source: str,
    limit_kmh: float,
    readings: Iterable[Reading],
    open_event: Event | None = None,
    until_us: int = EVER_US,
    tolerance_kmh: float = 0.0,
) -> Iterator[Event]:
    """Yield the events above a limit.

    An event lasts from the first reading above the limit to the last one above it before a reading that is not above the limit less
    the tolerance, or before 300 s without one above it.

    Args:
        source: Name of the source.
        limit_kmh: A speed equal to it is not above it.
        readings: In the order of time; read no further than needed.
        open_event: An event that was ongoing before them; it comes first.
        until_us: Stop at the first reading from this moment on at which no event is open.
        tolerance_kmh: A speed that falls below the limit by less than that does not end an event: noise around the limit is one event.
    """
    end_kmh = limit_kmh - tolerance_kmh
    for reading in readings:
        if open_event and (reading.speed <= end_kmh or reading.at_us - open_event.end_us >= GAP_US):
            yield open_event._replace(ongoing=False)
            open_event = None
        if open_event is None and reading.at_us >= until_us:
            return
        if reading.speed > limit_kmh:
            if open_event is None:
                open_event = Event(source, reading.at_us, reading.at_us, reading.speed, limit_kmh, ongoing=True)
            open_event = open_event._replace(end_us=reading.at_us, peak=max(open_event.peak, reading.speed))
    if open_event:
        yield open_event
