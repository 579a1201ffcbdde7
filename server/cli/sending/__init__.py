"""`safelight upload`: from arguments to pictures, groups, requests, results and what is shown."""
