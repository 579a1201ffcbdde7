"""`safelight watch`: jobs and batches to their ends, or the service as a whole."""
