"""The ways in over HTTP: uploads, lists of URLs, direct uploads, a bucket's events."""
