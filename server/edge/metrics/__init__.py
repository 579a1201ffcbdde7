"""GET /metrics: what the parts have counted, in the words of Prometheus (docs/metrics.md)."""
