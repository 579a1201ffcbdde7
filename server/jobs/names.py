"""Every Redis key and channel, spelled once, for Python and for the scripts.

| key                      | type       | holds                                                   |
| ------------------------ | ---------- | ------------------------------------------------------- |
| job:{id}                 | hash       | the truth about a job; kept images.keep_s after its end |
| batch:{id}               | hash       | numbers of its jobs by state; ends with them            |
| batch:{id}:jobs          | list       | its jobs' ids in the client's order                     |
| waiting:{class}:{client} | list       | ids of jobs that one client has waiting                 |
| ring:{class}             | list       | clients that have jobs waiting, the next one first      |
| served:{class}           | hash       | client -> ids taken since its list was last empty       |
| queue:{class}            | stream     | jobs that a node holds; group `lanes`                   |
| queue:dead               | stream     | quarantined jobs                                        |
| queue                    | hash       | counters: waiting:*, processing, mean_ms, lanes, ...    |
| delayed                  | sorted set | jobs before their next attempt, by due ms               |
| failed                   | sorted set | failed jobs that are still kept, by the ms of their end  |
| expiry                   | sorted set | settled jobs, by the ms at which their files go         |
| nodes                    | sorted set | node -> ms of its last heartbeat                        |
| nodes:lanes              | hash       | node -> number of its lanes                             |
| events:{id}              | channel    | a job or batch, whole, at every change                  |
| wake                     | channel    | there is work, or room                                  |
| cancel                   | channel    | id of a running job that shall stop                     |

A class is `interactive` or `bulk`.
"""

JOB = "job:"
BATCH = "batch:"
BATCH_JOBS = ":jobs"
WAITING = "waiting:"
RING = "ring:"
SERVED = "served:"
STREAM = "queue:"
DEAD = "queue:dead"
QUEUE = "queue"
DELAYED = "delayed"
EXPIRY = "expiry"
FAILED = "failed"
NODES = "nodes"
NODE_LANES = "nodes:lanes"
EVENTS = "events:"
WAKE = "wake"
CANCEL = "cancel"

GROUP = "lanes"
CLASSES = ("interactive", "bulk")


def job(job_id: str) -> str:
    """The hash of one job."""
    return JOB + job_id


def batch_jobs(batch_id: str) -> str:
    """The list of a batch's job ids."""
    return BATCH + batch_id + BATCH_JOBS


def events(watched_id: str) -> str:
    """The channel of one job or batch."""
    return EVENTS + watched_id


def watched_id(channel: str) -> str | None:
    """The job or batch whose events come on this channel; None for other channels."""
    return channel.removeprefix(EVENTS) if channel.startswith(EVENTS) else None


def stream(queue_class: str) -> str:
    """The stream of the jobs of a class that are held by nodes."""
    return STREAM + queue_class


def waiting_count(queue_class: str) -> str:
    """The field of the counters that says how many jobs of a class wait."""
    return WAITING + queue_class


def lua_constants() -> str:
    """The same names as Lua locals, put in front of every script."""
    names = {
        name: value
        for name, value in globals().items()
        if name.isupper() and isinstance(value, str)
    }
    return "".join(f"local {name} = '{value}'\n" for name, value in names.items())
