"""What the fork server imports once, so that every child starts with libvips loaded."""

import gc
import signal

import pool.child
import pool.develop
import pool.probe
import pool.vips  # noqa: F401

# A stop of the whole process group reaches us too; the server decides when its children go.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
gc.collect()
gc.freeze()  # a collection in a child would otherwise copy every shared page it walks
