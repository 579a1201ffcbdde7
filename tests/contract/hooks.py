"""What schemathesis cannot read from the contract: real pictures, real ids, and one stricter check.

Loaded by schemathesis itself (`hooks` in schemathesis.toml), not by pytest.
"""

import datetime
import io
import json
import os
from typing import Any

import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis.core.failures import Failure

# Ids of jobs and batches of the server under test, by kind: test_contract.py has made them.
KNOWN: dict[str, list[str]] = json.loads(os.environ.get("CONTRACT_IDS", "{}"))
_BATCH_PATHS = ("/batch/{id}/zip",)
_MOMENTS = strategies.datetimes(
    min_value=datetime.datetime(1971, 1, 1), max_value=datetime.datetime(2199, 12, 31)
)


def picture(kind: str, width: int) -> bytes:
    """A small picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, 12), (200, 30, 40)).save(file, kind)
    return file.getvalue()


_PICTURES = strategies.builds(
    picture, strategies.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]), strategies.integers(1, 40)
)
_BYTES = _PICTURES | strategies.binary(max_size=60)
for media_type in ("image/*", "application/offset+octet-stream", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, _BYTES)
schemathesis.openapi.media_type("application/zip", strategies.binary(max_size=60))
# No leap seconds, which RFC 3339 has and datetime has not.
schemathesis.openapi.format("date-time", _MOMENTS.map(lambda one: f"{one:%Y-%m-%dT%H:%M:%S}Z"))
schemathesis.openapi.format("date", _MOMENTS.map(lambda one: f"{one:%Y-%m-%d}"))


@schemathesis.deserializer("application/zip", "image/*", "text/csv")
def whole_body(_context: Any, response: schemathesis.Response) -> Any:
    """Of a body that is no JSON: its bytes as text."""
    return response.content.decode("latin-1")


@schemathesis.serializer("application/x-ndjson")
def two_lines(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """What was generated is a line of a list."""
    line = json.dumps(value).encode()
    return line + b"\n" + line + b"\n"


@schemathesis.hook
def before_call(
    _context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]
) -> None:
    """Of requests that shall be right: what holds between their parts, and ids that there are."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive:
        return
    _as_one_request(case)
    if case.method.upper() == "GET" and "id" in (case.path_parameters or {}):
        kind = "batch" if case.path in _BATCH_PATHS else "job"
        _choose(case, KNOWN.get(kind, []))


def _as_one_request(case: schemathesis.Case) -> None:
    if case.path in ("/upload", "/process") and case.media_type in (
        "multipart/form-data",
        "application/json",
    ):
        case.query = {}  # each field has one place, and there it is the body
    case.query.pop("cursor", None) if case.path.startswith("/jobs") else None
    if case.media_type == "application/x-ndjson":  # a list of any length is not read twice
        case.headers.pop("Idempotency-Key", None)
    if case.path.startswith("/files"):  # what stands in these is encoded
        case.headers.pop("Upload-Checksum", None)
        case.headers.pop("Upload-Metadata", None)


def _choose(case: schemathesis.Case, known: list[str]) -> None:
    """One of the known ids for most requests, by what was generated: the same in every run."""
    text = str(case.path_parameters["id"])
    place = sum(text.encode(errors="replace"))
    if known and place % 4:
        case.path_parameters["id"] = known[place % len(known)]


class RefusedAsUnreadable(Failure):
    """The schema allows a request that the service calls malformed."""


@schemathesis.check
def what_the_schema_allows_is_understood(
    _context: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case,
) -> None:
    """A right request may meet many refusals, but never `bad_request`: the schema would lie."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 400:
        return
    problem = response.json()
    if problem["type"] == "/problems/bad_request":
        raise RefusedAsUnreadable(
            operation=case.operation.label, title="Allowed, and refused", message=problem["detail"]
        )
