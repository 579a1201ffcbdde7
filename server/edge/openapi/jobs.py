"""/status, /job, /jobs."""

from server.edge.openapi.parts import (
    Operation,
    answer,
    in_path,
    in_query,
    listed,
    maybe,
    operation,
    ref,
    shape,
    text,
)
from server.jobs.source import Source

_ID = in_path("id", "Of a job or a batch.")
_JOB_ID = in_path("id", "Of a job.")
_EITHER = {"oneOf": [ref("Job"), ref("Batch")]}

_ENDS = "(completed|failed|cancelled)"
_SOME = {"type": "string", "minLength": 1, "maxLength": 300}
_MOMENT = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
_FILTERS = [
    in_query(
        "status",
        "completed, failed, cancelled; several by comma.",
        {"type": "string", "pattern": f"^{_ENDS}(,{_ENDS})*$"},
    ),
    in_query("batch", "Of this batch.", _SOME),
    in_query("client", "Brought by this client.", _SOME),
    in_query("name", "Of this name.", _SOME),
    in_query("format", "Of the original.", _SOME),
    in_query(
        "source",
        "By which way it came in.",
        {"type": "string", "enum": [way.value for way in Source]},
    ),
    in_query("errorCode", "Why it failed.", _SOME),
    in_query("cached", "Whether it was there already.", {"type": "boolean"}),
    in_query("quarantined", "Whether it was kept aside.", {"type": "boolean"}),
    in_query("from", "When it came, ISO 8601: not before.", _MOMENT),
    in_query("to", "When it came: before.", _MOMENT),
]
_PAGE = shape(
    "A page of the history.",
    {
        "jobs": listed("Newest first.", ref("Record")),
        "nextCursor": maybe(text("Null on the last page.")),
    },
)
_HISTORY_PROBLEMS = ("bad_request", "records_off", "records_away")

OPERATIONS: dict[str, Operation] = {
    "GET /status/{id}": operation(
        "How a job or batch stands",
        parameters=[
            _ID,
            in_query(
                "wait",
                "Seconds to wait for its end, at most `upload.max_wait_s`.",
                {"type": "number", "minimum": 0, "default": 0},
            ),
            in_query(
                "limit",
                "Jobs of a batch to tell.",
                {"type": "integer", "minimum": 1, "maximum": 1000, "default": 500},
            ),
            in_query(
                "cursor",
                "Where to go on, as `next` has it.",
                {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": 0},
            ),
        ],
        answers={200: answer("As it stands, or as it ended.", _EITHER)},
        problems=["bad_request", "not_found"],
    ),
    "GET /jobs": operation(
        "The history",
        about="Jobs that have ended, newest first. With `Accept: text/csv` as CSV.",
        parameters=[
            *_FILTERS,
            in_query("limit", "Of a page.", {"type": "integer", "minimum": 1, "maximum": 500}),
            in_query("cursor", "`nextCursor` of the page before.", {"type": "string"}),
        ],
        answers={200: answer("A page.", _PAGE)},
        problems=_HISTORY_PROBLEMS,
    ),
    "GET /jobs.csv": operation(
        "The history as CSV",
        parameters=_FILTERS,
        answers={200: {"description": "All that fit.", "content": {"text/csv": {}}}},
        problems=_HISTORY_PROBLEMS,
    ),
    "GET /jobs.ndjson": operation(
        "The history, one JSON object a line",
        parameters=_FILTERS,
        answers={
            200: {
                "description": "All that fit.",
                "content": {"application/x-ndjson": {"schema": ref("Record")}},
            }
        },
        problems=_HISTORY_PROBLEMS,
    ),
    "GET /job/{id}": operation(
        "Everything known of a job",
        parameters=[_JOB_ID],
        answers={200: answer("Recipe, timings, attempts, sizes, error.", "JobDetails")},
        problems=["not_found"],
    ),
    "GET /job/{id}/trace": operation(
        "The way of one picture, hop by hop",
        about="Every part it passed, with real times and, for recent jobs, the messages"
        " themselves; without keys, cookies, signatures and clients' names.",
        parameters=[_JOB_ID],
        answers={200: answer("Its way so far.", "Trace")},
        problems=["not_found"],
    ),
    "DELETE /job/{id}": operation(
        "Cancel a job or what is left of a batch",
        about="A waiting job ends at once, a running one as soon as its worker has stopped.",
        parameters=[_ID],
        answers={200: answer("As it stands then.", _EITHER)},
        problems=["not_found", "already_ended"],
    ),
    "POST /job/{id}/retry": operation(
        "Queue a failed job again",
        parameters=[_JOB_ID],
        answers={202: answer("Queued.", "Job")},
        problems=["not_found", "expired", "not_failed"],
    ),
}
