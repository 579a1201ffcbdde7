"""One job's record: read from an entry of the journal, written as a row, read back from it."""

from collections.abc import Mapping
from typing import Any

import orjson

Row = dict[str, Any]
"""Values by the columns of server/records/table.py."""


class EntryUnreadable(Exception):
    """An entry of the journal that no version of this program can have written."""


def row_of(entry: Mapping[str, str]) -> Row:
    """The row of a journal entry: the job's hash, flat, as it stood when the job ended.

    Raises EntryUnreadable.
    """
    try:
        return _row(entry)
    except (KeyError, ValueError, TypeError) as error:
        raise EntryUnreadable(f"{type(error).__name__}: {error}") from error


def newest(rows: list[Row]) -> list[Row]:
    """Of several rows of one job only the one of the highest revision, by the jobs' ids."""
    kept: dict[str, Row] = {}
    for row in rows:
        known = kept.get(row["id"])
        if known is None or row["revision"] > known["revision"]:
            kept[row["id"]] = row
    # Two nodes that write the same jobs must lock the rows in the same order.
    return [kept[job_id] for job_id in sorted(kept)]


def _row(entry: Mapping[str, str]) -> Row:
    created, started, settled = (_time(entry, name) for name in ("created", "started", "settled"))
    outputs = [_output(one) for one in orjson.loads(entry.get("variants") or "[]")]
    return {
        "id": entry["id"],
        "revision": int(entry["revision"]),
        "status": entry["status"],
        "batch": entry.get("batch") or None,
        "client": _text(entry.get("client", "")),
        "source": entry.get("source") or "upload",
        "name": _text(entry.get("name", "")),
        "original_bytes": _number(entry, "original_bytes"),
        "original_format": entry.get("original_format", ""),
        "width": _number(entry, "width"),
        "height": _number(entry, "height"),
        "digest": entry.get("digest", ""),
        "recipe": _clean(orjson.loads(entry.get("recipe") or "{}")),
        "private": _flag(entry, "private"),
        "cached": _flag(entry, "cached"),
        "error_code": entry.get("error_code") or None,
        "error_detail": _text(entry.get("error_detail", "")) or None,
        "quarantined": bool(entry.get("dead")),
        "attempts": _number(entry, "attempts"),
        "losses": _number(entry, "losses"),
        "history": orjson.loads(entry.get("history") or "[]"),
        "created": _number(entry, "created"),
        "started": started,
        "settled": settled,
        "expired": _time(entry, "expired"),
        "waited_ms": _between(created, started),
        "taken_ms": _between(started, settled),
        "timings": orjson.loads(entry.get("timings") or "{}"),
        "outputs": outputs,
        "bytes_out": sum(one["bytes"] for one in outputs),
        "source_image": _text(entry.get("image", "")) or None,
    }


def _output(variant: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variant[name] for name in ("name", "key", "format", "width", "height", "bytes")}


def _text(text: str) -> str:
    """PostgreSQL keeps no NUL, and one record must not hold up all that come after it."""
    return text.replace("\x00", "�")


def _clean(value: Any) -> Any:
    """The same for every text in a piece of JSON."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_text(name): _clean(one) for name, one in value.items()}
    return value


def _number(entry: Mapping[str, str], name: str) -> int:
    return int(entry.get(name) or 0)


def _time(entry: Mapping[str, str], name: str) -> int | None:
    return int(entry[name]) if entry.get(name) else None


def _flag(entry: Mapping[str, str], name: str) -> bool:
    return entry.get(name, "") not in ("", "0", "false")


def _between(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else max(0, end - start)
