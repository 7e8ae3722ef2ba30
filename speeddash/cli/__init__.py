"""The command line: `python -m speeddash`."""
