"""Pictures out of a ZIP."""
