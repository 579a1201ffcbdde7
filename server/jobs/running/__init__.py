"""What this node does with claimed jobs: lanes, dispatcher, leases, progress."""
