"""The exit codes of upload and watch, and what each means."""

DONE, SOME_FAILED, WRONG, GIVEN_UP, STOPPED = 0, 1, 2, 3, 130

MEANINGS = {
    DONE: "all are done",
    SOME_FAILED: "some failed; the others are done",
    WRONG: "the command line, an id, the key or the recipe is wrong",
    GIVEN_UP: "the server was away or full for longer than --patience",
    STOPPED: "stopped by Ctrl-C; what was sent goes on at the server",
}
