"""Pictures that clients only name: a guarded way to their URLs."""
