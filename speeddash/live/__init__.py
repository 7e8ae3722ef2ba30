"""The live path: readings from senders to the database and on to watchers."""
