"""Who may do what, how much, and safely twice."""
