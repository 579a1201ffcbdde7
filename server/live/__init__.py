"""News of jobs: one Redis subscription, many listeners."""
