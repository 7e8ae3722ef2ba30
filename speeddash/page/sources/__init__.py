"""The sources place."""

from speeddash.page.sources.panels import SourcesPlace

__all__ = ["SourcesPlace"]
