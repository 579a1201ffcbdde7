"""Every Redis key and channel, spelled once, for Python and for the scripts.

| key                      | type       | holds                                                   |
| ------------------------ | ---------- | ------------------------------------------------------- |
| job:{id}                 | hash       | the truth about a job, until a while after it expired   |
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
| expiry:originals         | sorted set | settled jobs whose originals go at another time, by ms  |
| blob:{sha256}            | set        | jobs that hold the original of these bytes              |
| result:{dedup digest}    | string     | the newest job that makes or has this result            |
| made:{maker id}          | set        | jobs that show the files which this job has made        |
| followers:{leader id}    | list       | jobs that end as their leader does, the first one first |
| derived:{picture id}     | hash       | what was made of it on first ask: digest of a recipe or |
|                          |            | variant.format -> job id, or ! and why not              |
| trash                    | sorted set | files that nobody holds any more, by the ms to try      |
| sweep                    | string     | there while no node need look for orphans again         |
| upload:{id}              | hash       | a picture that a client brings by a URL of its own      |
| uploads                  | sorted set | those, by the ms at which record and object go          |
| pending:{client}         | sorted set | one client's unused ones, by the ms their URLs end      |
| quota:{client}           | hash       | requests and bytes of this window and the one before    |
| unsettled                | hash       | client -> number of its jobs that wait or are in work   |
| once:{client}:{digest}   | hash       | an Idempotency-Key: its request and the answer          |
| journal                  | stream     | jobs that ended, for the records; group `records`       |
| open                     | sorted set | batches that are read in, by ms of the last sign, or    |
|                          |            | that shall be stopped (0)                               |
| fetched:{digest of URL}  | hash       | what a URL led to: digest, etag, modified, at (ms)      |
| nodes                    | sorted set | node -> ms of its last heartbeat                        |
| nodes:lanes              | hash       | node -> number of its lanes                             |
| delivery:{id}            | hash       | one webhook on its way, until a while after it ended    |
| deliveries               | sorted set | all of them, by the ms of their event                   |
| deliveries:ids           | sorted set | the same, by id: those of a job stand together          |
| deliveries:in:{state}    | sorted set | those in a state, by the ms of their event              |
| deliveries:due           | sorted set | targets, by the ms at which their first is due          |
| due:{target}             | sorted set | what waits for one target, by the ms it is due, or at   |
|                          |            | which the lease of whoever sends it ends                |
| deliveries:ended         | sorted set | what has ended, by the ms at which it is forgotten      |
| deliveries:stopped       | hash       | endpoint that said 410 -> ms, digest of its URL         |
| deliveries:paused        | hash       | endpoint that asked for time -> ms until when           |
| deliveries:counts        | hash       | born, delivered, retried, given_up, gone, ...           |
| events:{id}              | channel    | a job or batch, whole, at every change                  |
| wake                     | channel    | there is work: for `lanes`, for `fetchers`, 1: for both |
| cancel                   | channel    | id of a running job that shall stop                     |
| gone                     | channel    | id of a completed job whose files go                    |
| deliver                  | channel    | a webhook is due                                        |
| moved                    | channel    | every move of a job, in a few words                     |
| system                   | channel    | how each node stands, every second while one listens    |

A class is `interactive`, `bulk` or, where networks do the work, `ai`; for URLs that are still to be
fetched `fetch` or `fetch-bulk`.
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
ORIGINALS = "expiry:originals"
BLOB = "blob:"
RESULT = "result:"
MADE = "made:"
FOLLOWERS = "followers:"
DERIVED = "derived:"
TRASH = "trash"
SWEEP = "sweep"
FAILED = "failed"
OPEN = "open"
FETCHED = "fetched:"
UPLOAD = "upload:"
UPLOADS = "uploads"
PENDING = "pending:"
QUOTA = "quota:"
UNSETTLED = "unsettled"
ONCE = "once:"
JOURNAL = "journal"
NODES = "nodes"
NODE_LANES = "nodes:lanes"
DELIVERY = "delivery:"
DELIVERIES = "deliveries"
DELIVERY_IDS = "deliveries:ids"
DELIVERIES_IN = "deliveries:in:"
DELIVERIES_DUE = "deliveries:due"
DUE = "due:"
DELIVERIES_ENDED = "deliveries:ended"
DELIVERIES_STOPPED = "deliveries:stopped"
DELIVERIES_PAUSED = "deliveries:paused"
DELIVERY_COUNTS = "deliveries:counts"
EVENTS = "events:"
WAKE = "wake"
CANCEL = "cancel"
GONE = "gone"
DELIVER = "deliver"
MOVED = "moved"
SYSTEM = "system"

GROUP = "lanes"
RECORDS_GROUP = "records"
CLASSES = ("interactive", "bulk")
AI_CLASS = "ai"
LANE_CLASSES = (*CLASSES, AI_CLASS)
FETCH_CLASSES = ("fetch", "fetch-bulk")


def job(job_id: str) -> str:
    """The hash of one job."""
    return JOB + job_id


def blob(digest: str) -> str:
    """The jobs that hold the original of these bytes."""
    return BLOB + digest


def made(maker_id: str) -> str:
    """The jobs that show the files which this one has made."""
    return MADE + maker_id


def batch_jobs(batch_id: str) -> str:
    """The list of a batch's job ids."""
    return BATCH + batch_id + BATCH_JOBS


def delivery(delivery_id: str) -> str:
    """The hash of one webhook."""
    return DELIVERY + delivery_id


def due(target: str) -> str:
    """What waits for one target of webhooks."""
    return DUE + target


def deliveries_in(state: str) -> str:
    """The webhooks in a state."""
    return DELIVERIES_IN + state


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
