"""Untrusted clients: HTTP, WebSocket framing, sockets that never block, rate limits, client addresses."""
