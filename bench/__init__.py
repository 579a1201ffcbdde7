"""Benchmarks: the service beside what it is measured against, in turn, in one run."""
