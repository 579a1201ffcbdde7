"""What server.app puts together, one area a module: each builds its parts and hands them over."""
