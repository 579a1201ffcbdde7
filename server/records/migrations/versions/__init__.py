"""Forward only: what is here is never changed again, and an older program refuses newer tables."""
