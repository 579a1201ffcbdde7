"""/ws and /events."""

from server.edge.openapi.parts import Operation, in_header, in_path, operation

_ABOUT = (
    'A WebSocket. The client says `{"type":"subscribe","jobId":"…"}` or `unsubscribe`, with the id'
    " of a job or a batch. The server answers with a snapshot and then with every change: the whole"
    " public picture of it, as the schemas Job and Batch have it. What is newest replaces the rest,"
    ' and may be told twice. What goes wrong is told as `{"type":"error",…}`. With'
    ' `"topic":"system"` in place of an id an admin hears once a second how the whole service'
    " stands, and every move of a job: docs/api.md has its form."
)

OPERATIONS: dict[str, Operation] = {
    "GET /ws": operation(
        "Watch jobs by WebSocket",
        about=_ABOUT,
        answers={101: {"description": "The socket is open."}},
        problems=["bad_request"],
    ),
    "GET /events/{id}": operation(
        "Watch a job or batch by server-sent events",
        about="The events that /ws sends, as `event: job` or `batch`; `id` is the revision. It ends"
        " with the job.",
        parameters=[
            in_path("id", "Of a job or a batch."),
            in_header("Last-Event-ID", "The revision that the client has."),
        ],
        answers={
            200: {"description": "The stream.", "content": {"text/event-stream": {}}},
            204: {"description": "It has ended, and the client knows."},
        },
        problems=["bad_request", "not_found"],
    ),
}
