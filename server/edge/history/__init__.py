"""The jobs that have ended, by page or as a file."""
