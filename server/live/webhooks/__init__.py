"""What has ended is told to whoever asked, by HTTP POST as Standard Webhooks 1.0 says."""
