"""How long a test waits before it says that something will not come."""

PATIENCE_S = 60.0  # for what takes a moment; machines that run tests may be very busy
