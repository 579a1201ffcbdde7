"""`safelight doctor`: looks at all that the service stands on. A file an area, run by examine.py.

Nothing here disturbs a server that runs on the same folder: what needs the folder for itself is
then left out, and the server is asked how it stands.
"""
