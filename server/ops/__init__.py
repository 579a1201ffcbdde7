"""What keeps the service running: embedded Valkey, lock, janitor, logs."""
