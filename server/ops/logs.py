"""Logs on stderr, one line a thing that happened: for people on a terminal, as JSON elsewhere.

What a line is made of, in this order; what is written on behalf of a request or a job has their ids
without being told (contextvars). Nothing that goes wrong here stops what wanted to tell something.
"""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from server.config.observing import LoggingSettings
from server.ops.alike import Alike, Kind
from server.ops.secretless import without_secrets

_STDERR = 2
_LONGEST_EXCEPTION = 16_000  # characters; the innermost frames are at the end
_TELL_EVERY_S = 5.0
_LOUD = frozenset(("warning", "error", "critical"))
_QUIET_LIBRARIES = {
    "aiohttp.access": logging.WARNING,  # our own lines tell of requests
    "opentelemetry": logging.CRITICAL,  # what goes wrong there is told by server.ops.tracing
}

EventDict = MutableMapping[str, Any]
Render = Callable[[EventDict], bytes]


def set_up_logs(settings: LoggingSettings) -> None:
    """Configure structlog and let the standard library's loggers end in the same lines."""
    is_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    lines = Lines(_as_json if is_json else _console(), Alike(settings.max_alike))
    structlog.configure(
        processors=[lines],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_FromStandardLibrary(lines)]
    root.setLevel(level)
    for name, least in _QUIET_LIBRARIES.items():
        logging.getLogger(name).setLevel(max(least, level))


class Lines:
    """The last stop of every event: it becomes the bytes of a line, or is dropped as one of many.

    What was dropped is told with the next line, or by `tell_alike_for_ever`.
    """

    newest: "Lines | None" = None

    def __init__(self, render: Render, alike: Alike) -> None:
        self._render = render
        self._alike = alike
        Lines.newest = self

    def __call__(self, logger: Any, method: str, event: EventDict) -> bytes:
        """A structlog processor. Raises DropEvent."""
        level = "error" if method == "exception" else method
        if level in _LOUD or "code" in event:
            kind = (level, logger.name, str(event.get("event")), str(event.get("code", "")))
            self.drop_if_many(kind)
        return self.line(level, logger.name, event)

    def drop_if_many(self, kind: Kind) -> None:
        """Raise DropEvent instead of the next line of a kind that there were many of."""
        if not self._alike.is_on:
            return
        self.tell_alike()
        if not self._alike.admits(kind):
            raise structlog.DropEvent

    def line(self, level: str, name: str, event: EventDict) -> bytes:
        """The bytes, with the line's end."""
        head = {"timestamp": datetime.now(UTC), "level": level, "event": event.pop("event", "")}
        ids = structlog.contextvars.get_contextvars()
        line: dict[str, Any] = {**head, "logger": name, **ids, **event}
        error = line.pop("exc_info", None)
        if error:
            line["exception"] = _written(error)
        return without_secrets(self._render(line))

    def tell_alike(self) -> None:
        """Say how often what was dropped has happened, once its time is over."""
        for (level, name, event, code), times, seconds in self._alike.due():
            said = {"event": "and more like this", "like": event, "times": times}
            if code:
                said["code"] = code
            with structlog.contextvars.bound_contextvars():
                structlog.contextvars.clear_contextvars()  # it is nobody's request
                _Stderr(name).msg(self.line(level, name, said | {"seconds": round(seconds)}))


async def tell_alike_for_ever() -> None:
    """For as long as the process lives; else the last of many would be told only by the next."""
    while True:
        await asyncio.sleep(_TELL_EVERY_S)
        if Lines.newest is not None:
            Lines.newest.tell_alike()


class _Stderr:
    """Writes a line at once and whole, so that it never mixes with those of worker processes."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: bytes) -> None:
        try:
            os.write(_STDERR, line)
        except OSError:
            return  # a full disk or a closed terminal: there is nowhere to say so

    debug = info = warning = error = critical = exception = msg


class _FromStandardLibrary(logging.Handler):
    """What libraries log, and asyncio of tasks whose errors nobody looks at."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        level, error = record.levelname.lower(), record.exc_info
        if error and error[0] is not None and error[0].__module__ == "aiohttp.http_exceptions":
            # Malformed HTTP is no error of ours; anyone could fill the log with it.
            level, error = "info", None
        try:
            self._lines.drop_if_many((level, record.name, str(record.msg), ""))
        except structlog.DropEvent:
            return
        event: EventDict = {"event": _message(record), "exc_info": error}
        _Stderr().msg(self._lines.line(level, record.name, event))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a library's text and values do not go together
        return f"{record.msg!s} {record.args!r}"


def _written(error: Any) -> str:
    """A traceback. error: what exc_info may be: an exception, a triple, or True for the present."""
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    elif not isinstance(error, tuple):
        error = sys.exc_info()
    text = "".join(traceback.format_exception(*error)).rstrip()
    return text if len(text) <= _LONGEST_EXCEPTION else f"…{text[-_LONGEST_EXCEPTION:]}"


def _as_json(line: EventDict) -> bytes:
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(line, default=str, option=options)
    except TypeError:  # a text with half a character in it: what came over the wire is no UTF-8
        whole = {name: _whole(value) for name, value in line.items()}
        return orjson.dumps(whole, default=str, option=options)


def _whole(value: object) -> object:
    if isinstance(value, datetime | int | float | None):
        return value
    return str(value).encode(errors="replace").decode()


def _console() -> Render:
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())

    def render(line: EventDict) -> bytes:
        line["timestamp"] = f"{line['timestamp']:%H:%M:%S}"
        return f"{renderer(None, '', line)}\n".encode(errors="replace")

    return render
