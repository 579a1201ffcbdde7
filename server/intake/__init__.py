"""The way in: from a request's bytes to a checked file with a recipe."""
