"""Networks on pictures: which there are, how one runs over tiles, and what it costs."""
