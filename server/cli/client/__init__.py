"""A client of a running server, for the commands that send, watch and fetch."""
