"""Resumable uploads by the tus protocol, its HTTP side."""
