"""The connect place: how each device and app sends to this server."""

from speeddash.page.connect.place import ConnectPlace

__all__ = ["ConnectPlace"]
