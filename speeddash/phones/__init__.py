"""Apps of phones that report positions over HTTP: what each sends, as readings. One file for each."""
