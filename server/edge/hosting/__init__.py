"""Pictures going out: found, negotiated, made on first ask, sent from memory, disk or bucket."""
