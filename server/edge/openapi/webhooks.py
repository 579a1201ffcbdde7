"""/webhooks, and what is sent."""

from server.edge.openapi.parts import (
    Operation,
    answer,
    flag,
    in_header,
    in_path,
    in_query,
    listed,
    maybe,
    operation,
    ref,
    shape,
    text,
    whole,
)

_STATES = ["waiting", "delivered", "gone", "given_up"]
_MOMENT = {"format": "date-time"}
_ATTEMPT = shape(
    "One try.",
    {
        "at": text("When it began.", **_MOMENT),
        "takenMs": maybe(whole("Until it was over.")),
        "status": maybe(whole("Of the answer; null: none came.")),
        "error": maybe(text("Why it failed.")),
        "excerpt": maybe(text("The beginning of the answer.")),
    },
)
_PICTURE = {
    "id": text("The header webhook-id, the same for all attempts."),
    "type": text("The event, e.g. job.completed."),
    "state": text("Only what waits is sent.", enum=_STATES),
    "jobId": maybe(text("The job or batch that it tells of.")),
    "client": text("Whose it is: a key's name or an address."),
    "endpoint": maybe(text("Of the configuration; null: a callbackUrl.")),
    "url": maybe(text("The callbackUrl.")),
    "createdAt": text("When the event was.", **_MOMENT),
    "endedAt": maybe(text("When the last attempt was over.", **_MOMENT)),
    "isSending": flag("Whether an attempt is under way."),
    "nextAttemptAt": maybe(text("Unless one is under way.", **_MOMENT)),
    "attempts": whole("Begun so far, since the last replay."),
    "why": maybe(text("Of what was given up or is gone: attempts, overflow, lost or stopped.")),
    "lastAttempt": {"anyOf": [_ATTEMPT, {"type": "null"}]},
}
_DELIVERY = shape("One webhook.", _PICTURE)
_DETAILS = shape(
    "One webhook with all that is known of it.",
    _PICTURE
    | {
        "attemptHistory": listed("The last twenty.", _ATTEMPT),
        "body": {
            "type": ["object", "null"],
            "description": "What is sent; null before the first attempt.",
        },
    },
)
_ENDPOINT = shape(
    "One receiver of the configuration.",
    {
        "name": text("Of its table."),
        "url": text("Where it is sent to."),
        "events": listed("What it is told of.", text("An event.")),
        "waiting": whole("Webhooks on their way to it."),
        "stoppedAt": maybe(text("When it said 410 Gone.", **_MOMENT)),
    },
)
_COUNTS = shape(
    "Since the beginning.",
    {
        "born": whole("Webhooks that there were."),
        "delivered": whole("Of them, arrived."),
        "retried": whole("Attempts that failed and were followed by another."),
        "givenUp": whole("After the last attempt, or to make room."),
        "gone": whole("To receivers that said 410."),
        "overflowed": whole("Of those given up: to make room."),
        "replayed": whole("Sent again by hand."),
    },
)
_HEADERS = {
    "webhook-id": "The same for all attempts: remember those that you have seen.",
    "webhook-timestamp": "Of the attempt, in seconds since 1970.",
    "webhook-signature": "`v1,` and HMAC-SHA256 in Base64 of id.timestamp.body; several by blanks.",
}
_ENDS = {
    "job.completed": ("A job has its result", "Job"),
    "job.failed": ("A job has failed", "Job"),
    "job.cancelled": ("A job was cancelled", "Job"),
    "job.expired": ("The files of a job are gone; to endpoints only", "Job"),
    "batch.completed": ("The last job of a batch has ended", "Batch"),
    "webhook.ping": ("Somebody tries an endpoint", ""),
}


def _sent(event: str, words: str, data: str) -> Operation:
    """What is POSTed to a callbackUrl or an endpoint."""
    told = shape(
        words + ".",
        {
            "type": {"const": event},
            "timestamp": text("When it happened, not when it is sent.", **_MOMENT),
            "data": ref(data) if data else {"type": "object", "maxProperties": 0},
        },
    )
    return {
        "summary": words,
        "description": "Standard Webhooks 1.0: https://www.standardwebhooks.com",
        "parameters": [in_header(name, about) for name, about in _HEADERS.items()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": told}}},
        "responses": {
            "2XX": {"description": "It has arrived."},
            "410": {"description": "Nothing more shall be sent there."},
            "default": {"description": "It is tried again for about a day."},
        },
    }


SENT = {event: {"post": _sent(event, words, data)} for event, (words, data) in _ENDS.items()}

_ID_TEXT = {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}
_ID = in_path("id", "The header webhook-id.")
_NAME = in_path("name", "Of the endpoint.")

OPERATIONS: dict[str, Operation] = {
    "GET /webhooks/deliveries": operation(
        "List webhooks, the newest first",
        parameters=[
            in_query("state", "Only those.", {"type": "string", "enum": _STATES}),
            in_query("endpoint", "Only to this one.", _ID_TEXT),
            in_query("job", "Only of this job or batch; not by page.", _ID_TEXT),
            in_query("limit", "Of a page.", {"type": "integer", "minimum": 1, "maximum": 500}),
            in_query(
                "cursor",
                "nextCursor of the page before.",
                {"type": "string", "pattern": "^[0-9]{1,15}\\..+$"},
            ),
        ],
        answers={
            200: answer(
                "A page. It may be short and have a next one.",
                shape(
                    "Webhooks.",
                    {
                        "deliveries": listed("Some of them.", _DELIVERY),
                        "nextCursor": maybe(text("For the next page; null: there is none.")),
                    },
                ),
            )
        },
        problems=["bad_request"],
    ),
    "GET /webhooks/deliveries/{id}": operation(
        "One webhook with its body and attempts",
        parameters=[_ID],
        answers={200: answer("As it stands.", _DETAILS)},
        problems=["not_found"],
    ),
    "POST /webhooks/deliveries/{id}/replay": operation(
        "Send a webhook again",
        parameters=[_ID],
        answers={202: answer("It is due.", _DETAILS)},
        problems=["not_found", "endpoint_stopped"],
    ),
    "GET /webhooks/endpoints": operation(
        "Receivers of the configuration, and how it goes",
        answers={
            200: answer(
                "As it stands.",
                shape(
                    "Receivers.",
                    {
                        "endpoints": listed("Each.", _ENDPOINT),
                        "waiting": whole("All webhooks on their way, callbacks included."),
                        "counts": _COUNTS,
                    },
                ),
            )
        },
    ),
    "POST /webhooks/endpoints/{name}/enable": operation(
        "Send to an endpoint again that said 410 Gone",
        parameters=[_NAME],
        answers={
            200: answer(
                "It is used.",
                shape(
                    "The endpoint.",
                    {"endpoint": text("Its name."), "wasStopped": flag("Whether it was not.")},
                ),
            )
        },
        problems=["not_found"],
    ),
    "POST /webhooks/endpoints/{name}/ping": operation(
        "Try an endpoint",
        about="A webhook of the type `webhook.ping` with empty `data`.",
        parameters=[_NAME],
        answers={
            202: answer(
                "It is due.",
                shape(
                    "The webhook.", {"id": text("Its webhook-id."), "endpoint": text("Its name.")}
                ),
                {"Location": "Where it can be looked at."},
            )
        },
        problems=["not_found", "endpoint_stopped"],
    ),
    "GET /webhooks/secret": operation(
        "By what the callbacks of your API key are signed",
        answers={
            200: answer(
                "Newest first.",
                shape("Secrets.", {"secrets": listed("Any of them may fit.", text("whsec_…"))}),
            )
        },
    ),
}
