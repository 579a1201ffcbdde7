"""All of Redis on jobs: names, scripts, queue, dispatcher."""
