"""Starts SpeedDash: `python run.py`, or `gunicorn -k gevent run:server`."""

import gc

from gevent import monkey

# What is imported stays: looking through it for garbage would take a fifth of the start. The server enables the collector.
gc.disable()
monkey.patch_all()

from speeddash.server import main, wsgi  # noqa: E402  (gevent patches the standard library first)

if __name__ == "__main__":
    main()
else:
    server = wsgi()
