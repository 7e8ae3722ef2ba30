"""`python -m speeddash`."""

from speeddash.cli.commands import main

if __name__ == "__main__":
    main(prog_name="python -m speeddash")
