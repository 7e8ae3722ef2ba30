"""The trips place."""

from speeddash.page.trips.panels import TripsPlace

__all__ = ["TripsPlace"]
