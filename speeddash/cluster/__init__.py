"""Several servers on one database: which there are, and what one of them commits, for the watchers of the others."""
