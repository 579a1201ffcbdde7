"""Resumable uploads: what is on disk, and who writes it."""
