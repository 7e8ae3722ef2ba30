"""Starts SpeedDash: `python run.py`, or `gunicorn -k gevent run:server`."""

from gevent import monkey

monkey.patch_all()

from speeddash.server import main, wsgi  # noqa: E402  (gevent patches the standard library first)

if __name__ == "__main__":
    main()
else:
    server = wsgi()
