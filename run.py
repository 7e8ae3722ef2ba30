"""Starts SpeedDash: `python run.py`, or `gunicorn -k gevent run:server`."""

from speeddash.serve import patched_server

if __name__ == "__main__":
    patched_server().main()
else:
    server = patched_server().wsgi()
