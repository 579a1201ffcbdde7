"""POST /hooks/storage: a bucket tells that objects were created.

Two ways to say it are understood: S3's records (also MinIO's, Ceph's, Cloudflare's ...), and the
webhook of SeaweedFS' filer.
"""

import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import orjson
from aiohttp import web

from server.config.storing import HookSettings
from server.edge.body import Body
from server.edge.reply import reply
from server.intake.direct.events import Created, StorageEvents
from server.refusals import BadRequest, HookTokenWrong, NotFound

_FILER_BUCKETS = "/buckets/"
_FILER_MAKES = ("create", "update", "rename")


class HookHandler:
    """Answers 200 to everything it need not hear again, 503 to what it must."""

    def __init__(
        self, events: StorageEvents | None, settings: HookSettings, *, stall_timeout_s: float
    ) -> None:
        self._events = events
        self._settings = settings
        self._stall_timeout_s = stall_timeout_s

    async def post(self, request: web.Request) -> web.Response:
        """Take in what was created; the answer counts what became of it."""
        events = self._events
        if events is None or not self._settings.token:
            raise NotFound(
                "No storage notifications are taken: hooks.token or a bucket is missing."
            )
        self._refuse_stranger(request)
        created = list(created_objects(await self._notification(request)))
        taken = await events.take(created)
        return reply(
            {
                "records": len(created),
                "jobs": [{"key": key, "jobId": job_id} for key, job_id in taken.jobs.items()],
                "refused": [{"key": key, "code": code} for key, code in taken.refused.items()],
                "ignored": taken.ignored,
            }
        )

    def _refuse_stranger(self, request: web.Request) -> None:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        given = request.headers.get("X-Safelight-Token", "")
        if scheme.lower() == "bearer":
            given = bearer.strip()
        wanted = self._settings.token.encode()
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), wanted):
            raise HookTokenWrong("Send hooks.token as 'Authorization: Bearer …'.")

    async def _notification(self, request: web.Request) -> Any:
        body = Body(
            request.content,
            max_bytes=self._settings.max_body_bytes,
            stall_timeout_s=self._stall_timeout_s,
        )
        try:
            return orjson.loads(await body.whole())
        except orjson.JSONDecodeError as error:
            raise BadRequest(
                f"Expected a notification in JSON, got something else: {error}"
            ) from error


def created_objects(notification: Any) -> Iterator[Created]:
    """The objects that a notification says were made; what is not understood is left out."""
    if not isinstance(notification, dict):
        return
    records = notification.get("Records")
    if isinstance(records, list):
        yield from filter(None, map(_of_record, records))
    elif "event_type" in notification:
        found = _of_filer(notification)
        if found is not None:
            yield found


def _of_record(record: Any) -> Created | None:
    """S3's: keys are percent-encoded, with + for a blank."""
    if not str(_at(record, "eventName")).removeprefix("s3:").startswith("ObjectCreated:"):
        return None
    bucket, key = _at(record, "s3", "bucket", "name"), _at(record, "s3", "object", "key")
    if not isinstance(bucket, str) or not isinstance(key, str):
        return None
    return Created(bucket, unquote_plus(key))


def _of_filer(event: dict[str, Any]) -> Created | None:
    """SeaweedFS': the path in its filer, as it is; a rename tells the old one there."""
    path, made = event.get("key"), _at(event, "message", "new_entry")
    if event["event_type"] not in _FILER_MAKES or not isinstance(made, dict):
        return None
    if event["event_type"] == "rename":
        path = f"{_at(event, 'message', 'new_parent_path')}/{made.get('name')}"
    if made.get("is_directory") or not isinstance(path, str):
        return None
    if not path.startswith(_FILER_BUCKETS):
        return None
    bucket, _, key = path.removeprefix(_FILER_BUCKETS).partition("/")
    return Created(bucket, key) if key else None


def _at(value: Any, *names: str) -> Any:
    """A member of a member of a JSON object; None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
