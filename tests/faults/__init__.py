"""What must not lose a reading: each fault is one function, and the first line of its docstring is its row in docs/reliability.md."""
