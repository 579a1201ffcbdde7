"""What is counted over all jobs: on this node, in the queue, by client."""
