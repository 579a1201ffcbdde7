"""Bytes that stay: originals and results."""
