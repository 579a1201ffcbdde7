"""What a lane is told once: its bounds, its patience, and the one folder its child may write to."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """`spool` None leaves the child outside the sandbox; the rest has usable defaults."""

    spool: str | None = None
    hard_grace_s: float = 5.0  # after a task's own deadline the child is killed
    cancel_grace_s: float = 0.1  # some encoders cannot be stopped; then the child is killed
    probe_deadline_s: float = 10.0
    start_timeout_s: float = (
        30.0  # the first child of all waits for the fork server to load libvips
    )
    max_tasks_per_child: int = 1000  # then a fresh child takes over between two tasks
    max_rss_bytes: int = 512 * MEBIBYTE  # kept after a task: likewise
    memory_kill_bytes: int = 2048 * MEBIBYTE  # during a task: the child is killed
    max_file_bytes: int = 4096 * MEBIBYTE  # of any one file the child writes
    concurrency: int = 1  # threads of libvips
    watch_every_s: float = 0.1
    read_only: tuple[str, ...] = ()  # more paths the child may read: fonts, watermarks, models
