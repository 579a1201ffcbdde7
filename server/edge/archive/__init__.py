"""A batch's results as one ZIP."""
