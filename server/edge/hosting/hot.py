"""The quickest answer: the same as a moment ago, to the same question about the same picture.

Outermost of all middleware. An answer that went out as it should, for a public picture and from
memory, is kept with the head of that picture and is good for as long as the head is (server/jobs/
heads.py). Requests that bring more than a path (a key, a query, a range) take the long way; but an
address that is signed without an end is right as it stands once it was found to be.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from multidict import CIMultiDict

from server.edge.hosting.byterange import is_known
from server.edge.problems import request_id
from server.jobs.heads import Heads
from server.jobs.job import Variant
from server.storage.hot import HotFiles

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ASKS_FOR_MORE = ("Range", "Authorization", "X-Api-Key")
_MOST_ANSWERS = 16  # of one picture: its variants, times what browsers accept


@dataclass(frozen=True, slots=True)
class _Shown:
    """A whole file that was answered from memory, or left to a proxy."""

    variant: Variant
    headers: CIMultiDict[str]
    file_of: str | None
    """The job whose file it is, where that is not the picture's own: it holds while both do."""


_SHOWN = web.RequestKey("shown", _Shown)
IS_LASTING = web.RequestKey("is_lasting", bool)
"""Set by who has found that the address is signed, and that this does not end."""
FILE_OF = web.RequestKey("file_of", str)
"""Set by who shows a file of a job that was made of the picture on ask."""


class HotAnswers:
    """Repeats answers that hold as long as what is known of their picture."""

    def __init__(self, heads: Heads, files: HotFiles) -> None:
        self._heads = heads
        self._files = files

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Runs around everything."""
        image_id = request.match_info.get("id")
        if image_id is None or request.method not in ("GET", "HEAD"):
            return await handler(request)
        query = request.rel_url.raw_query_string
        if any(map(request.headers.__contains__, _ASKS_FOR_MORE)) or not _may_last(query):
            return await handler(request)
        found = self._repeated(request, image_id)
        if found is not None:
            return found
        response = await handler(request)
        if _SHOWN in request and (not query or IS_LASTING in request):
            self._keep(request, image_id, request[_SHOWN])
        return response

    def _repeated(self, request: web.Request, image_id: str) -> web.Response | None:
        head = self._heads.head(image_id)
        if head is None:
            return None
        shown = head.answers.get(_question(request))
        if not isinstance(shown, _Shown):
            return None
        if shown.file_of is not None and self._heads.head(shown.file_of) is None:
            return None
        headers = shown.headers.copy()
        content = b"" if "X-Accel-Redirect" in headers else self._files.get(shown.variant.key)
        if content is None:
            return None
        headers["X-Request-Id"] = request_id(request)
        if is_known(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
        return web.Response(body=content, headers=headers)

    def _keep(self, request: web.Request, image_id: str, shown: _Shown) -> None:
        """Not what was read of the picture earlier than what is known of it now."""
        head, of = self._heads.head(image_id), self._heads.head(shown.file_of or image_id)
        if head is None or of is None or all(shown.variant is not one for one in of.job.variants):
            return
        if len(head.answers) < _MOST_ANSWERS:
            head.answers[_question(request)] = shown


def note_shown(request: web.Request, variant: Variant, headers: dict[str, str]) -> None:
    """Say that a whole file was answered from memory, or left to the proxy that had asked so.

    What is not immutable (a private picture, one that stands in for another) is not repeated.
    """
    if "immutable" in headers["Cache-Control"]:
        request[_SHOWN] = _Shown(variant, CIMultiDict(headers), request.get(FILE_OF))


def _may_last(query: str) -> bool:
    """Only a hint: what is repeated was checked with this very query."""
    return not query or ("signature=" in query and "expires=" not in query)


def _question(request: web.Request) -> tuple[str, str, str]:
    """All that the answer hangs on beside the picture: variant, formats wanted, who sends files."""
    accept = ",".join(request.headers.getall("Accept", ()))
    return request.rel_url.raw_path_qs, accept, request.headers.get("X-Sendfile-Type", "")
