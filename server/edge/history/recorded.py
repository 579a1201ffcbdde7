"""A record as the public sees it: as JSON in camelCase, as a line of CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from server.jobs.job import iso
from server.records.record import Row
from server.refusals import fault_title

# A spreadsheet takes a cell that begins so for a formula, and the name of a picture is anybody's
# to choose. https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def record_picture(row: Row) -> dict[str, Any]:
    """One job of GET /jobs; the same members as GET /job/{id} where both know them."""
    return {
        "type": "job",
        "jobId": row["id"],
        "imageId": row["id"],
        "batchId": row["batch"],
        "revision": row["revision"],
        "client": row["client"],
        "source": row["source"],
        "sourceImageId": row["source_image"],
        "name": row["name"],
        "status": row["status"],
        "createdAt": iso(row["created"]),
        "startedAt": iso(row["started"]),
        "finishedAt": iso(row["settled"]),
        "expiredAt": iso(row["expired"]),
        "waitedMs": row["waited_ms"],
        "takenMs": row["taken_ms"],
        "timingsMs": row["timings"],
        "attempts": row["attempts"],
        "attemptHistory": row["history"],
        "quarantined": row["quarantined"],
        "cached": row["cached"],
        "private": row["private"],
        "original": {
            "bytes": row["original_bytes"],
            "format": row["original_format"],
            "width": row["width"],
            "height": row["height"],
        },
        "digest": row["digest"],
        "recipe": row["recipe"],
        "error": _error(row),
        "url": f"/image/{row['id']}" if _has_result(row) else None,
        "variants": [_variant(row, output) for output in row["outputs"]],
        "bytesOut": row["bytes_out"],
    }


def _has_result(row: Row) -> bool:
    return row["status"] == "completed" and row["expired"] is None


def _error(row: Row) -> dict[str, Any] | None:
    code = row["error_code"]
    if code is None:
        return None
    return {"code": code, "title": fault_title(code), "detail": row["error_detail"]}


def _variant(row: Row, output: Mapping[str, Any]) -> dict[str, Any]:
    url = f"/image/{row['id']}/{output['name']}" if _has_result(row) else None
    told = {name: output[name] for name in ("name", "format", "width", "height", "bytes")}
    return told | {"url": url}


def ndjson_lines(rows: Sequence[Row]) -> bytes:
    """A line a record."""
    return b"".join(
        orjson.dumps(record_picture(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows
    )


def csv_head() -> bytes:
    """The line with the columns' names."""
    return _csv([list(_COLUMNS)])


def csv_lines(rows: Sequence[Row]) -> bytes:
    """A line a record, RFC 4180."""
    return _csv([[_cell(read(row)) for read in _COLUMNS.values()] for row in rows])


def _csv(lines: list[list[str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(lines)
    return file.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _column(name: str) -> Callable[[Row], object]:
    return lambda row: row[name]


def _time(name: str) -> Callable[[Row], object]:
    return lambda row: iso(row[name])


_COLUMNS: Mapping[str, Callable[[Row], object]] = {
    "jobId": _column("id"),
    "batchId": _column("batch"),
    "client": _column("client"),
    "source": _column("source"),
    "sourceImageId": _column("source_image"),
    "name": _column("name"),
    "status": _column("status"),
    "errorCode": _column("error_code"),
    "errorDetail": _column("error_detail"),
    "createdAt": _time("created"),
    "startedAt": _time("started"),
    "finishedAt": _time("settled"),
    "expiredAt": _time("expired"),
    "waitedMs": _column("waited_ms"),
    "takenMs": _column("taken_ms"),
    "attempts": _column("attempts"),
    "quarantined": _column("quarantined"),
    "cached": _column("cached"),
    "private": _column("private"),
    "format": _column("original_format"),
    "bytes": _column("original_bytes"),
    "width": _column("width"),
    "height": _column("height"),
    "digest": _column("digest"),
    "variants": lambda row: " ".join(output["name"] for output in row["outputs"]),
    "bytesOut": _column("bytes_out"),
}
