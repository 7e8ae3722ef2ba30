"""The client's side: readings on their way to a server, held until they are echoed."""
