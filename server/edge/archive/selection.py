"""The body of POST /zip: which pictures."""

from typing import Annotated

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.config import Settings
from server.edge.body import Body
from server.refusals import BadRequest, TooManyFiles

# An id, its quotes and comma, and room for whoever writes them on lines of their own.
_BYTES_AN_ID = 128


class _Selection(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    image_ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]], Field(min_length=1)
    ] = Field(alias="imageIds")


async def read_selection(request: web.Request, settings: Settings) -> list[str]:
    """Ids of pictures, each once. Raises BadRequest, TooManyFiles and what a Body raises."""
    most = settings.archive.max_entries
    body = Body(
        request.content,
        max_bytes=(most + 1) * _BYTES_AN_ID,
        stall_timeout_s=settings.upload.stall_timeout_s,
    )
    try:
        selection = _Selection.model_validate(orjson.loads(await body.whole()))
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise BadRequest('Expected JSON such as {"imageIds": ["…", "…"]}.') from error
    image_ids = list(dict.fromkeys(selection.image_ids))
    if len(image_ids) > most:
        raise TooManyFiles(
            f"One archive holds {most} pictures; ask for several archives.",
            limit=most,
            actual=len(image_ids),
        )
    return image_ids
