"""What is kept and told of one job's way through the service."""
