"""How a group becomes jobs: one request for all of them, and what the server says of each."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from server.cli.client.parts import FileChanged, Multipart, Part
from server.cli.client.patience import Patience
from server.cli.client.problem import Problem, problem_of
from server.cli.client.resumable import Resumable, is_speakable
from server.cli.client.session import Answer, Service
from server.cli.sending.groups import Group, Way
from server.cli.sending.pictures import Picture, Targets, safe
from server.intake.file_name import clean_name

_ASYNC = {"Prefer": "respond-async"}
# A group is refused as a whole when none of it can be taken; then each is asked about alone.
_OF_PICTURES = (400, 413, 415, 422)
_FULL = 429


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture that has become a job. `picture` is one of an archive where it came in one."""

    picture: Picture
    job_id: str
    batch_id: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture that has not."""

    picture: Picture
    problem: Problem | OSError | FileChanged


class Requests:
    """Sends groups with one wish: the fields beside the pictures, as text."""

    def __init__(
        self,
        service: Service,
        patience: Patience,
        fields: Mapping[str, str],
        *,
        on_bytes: Callable[[int], None],
    ) -> None:
        self._service = service
        self._patience = patience
        self._fields = fields
        self._on_bytes = on_bytes

    async def send(self, group: Group) -> list[Taken | Refused]:
        """What became of each. Raises Problem where no picture at all would be taken."""
        try:
            return await self._by_way(group)
        except _NoRoom:
            middle = len(group.pictures) // 2
            halves = (group.pictures[:middle], group.pictures[middle:])
            told = [await self.send(Group(group.way, half)) for half in halves]
            return [one for some in told for one in some]
        except Problem as problem:
            if problem.is_of_wish or problem.may_pass:
                raise
            if len(group.pictures) == 1 or problem.status not in _OF_PICTURES:
                return [Refused(one, problem) for one in group.pictures]
        except (OSError, FileChanged) as error:
            if len(group.pictures) == 1:
                return [Refused(group.pictures[0], error)]
        alone = [await self.send(Group(group.way, (one,))) for one in group.pictures]
        return [one for some in alone for one in some]

    async def _by_way(self, group: Group) -> list[Taken | Refused]:
        first = group.pictures[0]
        if group.way is Way.URLS:
            return await self._name(group)
        if group.way is Way.RESUMABLE and is_speakable(first.name, self._fields):
            upload = Resumable(
                *(self._service, self._patience, _part(first), self._fields),
                on_bytes=self._on_bytes,
            )
            return [Taken(first, await upload.send(), None)]
        return await self._upload(group)

    async def _upload(self, group: Group) -> list[Taken | Refused]:
        body = Multipart(self._fields, [_part(one) for one in group.pictures])
        key = secrets.token_hex(16)

        async def once() -> Answer:
            counted = _Counted(self._on_bytes)
            try:
                return await self._service.ask(
                    "POST",
                    "/upload",
                    headers={**_ASYNC, "Idempotency-Key": key, **body.headers},
                    body=counted.pieces(body.pieces()),
                )
            except BaseException:
                counted.take_back()
                raise

        answer = await self._patience.ask(lambda: _unless_full(once, group))
        return _told(group, answer.body)

    async def _name(self, group: Group) -> list[Taken | Refused]:
        wish: dict[str, Any] = {}
        for name, value in self._fields.items():
            wish[name] = orjson.loads(value) if name in _JSON_FIELDS else value
        urls = [one.url for one in group.pictures]
        wish |= {"imageUrls": urls} if len(urls) > 1 else {"imageUrl": urls[0]}
        key = secrets.token_hex(16)

        async def once() -> Answer:
            headers = {**_ASYNC, "Idempotency-Key": key}
            return await self._service.ask("POST", "/process", json=wish, headers=headers)

        answer = await self._patience.ask(lambda: _unless_full(once, group))
        return _told(group, answer.body)


# Of POST /process, where a field is what it is and not its text.
_JSON_FIELDS = ("options", "private", "expiresIn")


class _NoRoom(Exception):
    """A group is let in whole or not at all; a smaller one may fit."""


async def _unless_full(once: Callable[[], Awaitable[Answer]], group: Group) -> Answer:
    try:
        return await once()
    except Problem as problem:
        if problem.status == _FULL and len(group.pictures) > 1:
            raise _NoRoom from problem
        raise


class _Counted:
    """Tells how many bytes go out, and takes them back when they have to go again."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        self._on_bytes = on_bytes
        self._sent = 0

    async def pieces(self, pieces: Any) -> Any:
        """`pieces` as they are: async generators of bytes, in and out."""
        async for piece in pieces:
            self._sent += len(piece)
            self._on_bytes(len(piece))
            yield piece

    def take_back(self) -> None:
        """The request has failed."""
        self._on_bytes(-self._sent)


def _part(picture: Picture) -> Part:
    return Part(picture.path, picture.name, picture.bytes)


def _told(group: Group, body: dict[str, Any]) -> list[Taken | Refused]:
    """The answer's images and refusals, each beside its picture."""
    first = group.pictures[0]
    if "images" not in body:
        return [Taken(first, body["jobId"], None)]
    images, refused, batch_id = body["images"], body.get("refused", []), body["jobId"]
    if first.is_archive:
        return _of_archive(first, images, refused, batch_id)
    by_index = {one["index"]: one for one in refused if "index" in one}
    by_name = {one["name"]: one for one in refused if "index" not in one}
    left, told = list(images), list[Taken | Refused]()
    for index, picture in enumerate(group.pictures):
        found = by_index.get(index) or by_name.get(clean_name(picture.name) or "picture")
        if found is not None:
            told.append(Refused(picture, _problem(found)))
        elif left:
            told.append(Taken(picture, left.pop(0)["imageId"], batch_id))
    return told


def _of_archive(
    archive: Picture, images: list[Any], refused: list[Any], batch_id: str
) -> list[Taken | Refused]:
    named = Targets()

    def inside(name: str) -> Picture:
        target = f"{archive.target}/{named.of(safe(name))}"
        return Picture(f"{archive.source}:{name}", name, target, archive.path, 0)

    taken = [Taken(inside(one["name"]), one["imageId"], batch_id) for one in images]
    return [*taken, *(Refused(inside(one["name"]), _problem(one)) for one in refused)]


def _problem(refused: dict[str, Any]) -> Problem:
    return problem_of(refused["problem"], status=refused["problem"].get("status", 422))
