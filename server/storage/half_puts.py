"""Ends uploads in parts that nobody will finish: a server killed in the middle leaves them in an S3
bucket, where they are paid for and no listing shows them.

The library that we store by neither lists nor ends them, and what it signs has no query. So these
two requests are signed here (AWS Signature Version 4), with the credentials of the environment;
where others are used (of an instance, of a workload) the bucket's lifecycle rules have to do it.
Google and Azure end such uploads by themselves after a week.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
"""

import asyncio
import hashlib
import hmac
import http.client
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from server.config.storing import StorageSettings
from server.storage.storage import StorageFailed

_MOST_ANSWER_BYTES = 16 * 1024 * 1024  # 1000 uploads take about 1 MB
_MOST_AT_ONCE = 1000
_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of an S3 user; `token` is of temporary ones."""

    key_id: str
    secret: str
    token: str = ""

    @classmethod
    def of_environment(cls) -> "Credentials | None":
        """Where the library finds them, too."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        key_id, secret, token = (os.environ.get(name, "") for name in names)
        return cls(key_id, secret, token) if key_id and secret else None


@dataclass(frozen=True, slots=True)
class HalfPut:
    """An upload in parts that has not ended; `key` is the bucket's, prefix and all."""

    key: str
    upload_id: str
    begun_ms: int


class HalfPuts:
    """The unfinished uploads of one bucket below a prefix that ends with a slash, or is empty."""

    def __init__(self, settings: StorageSettings, credentials: Credentials) -> None:
        parts = urlsplit(settings.url)
        self._bucket, self._timeout_s = parts.netloc, settings.timeout_s
        self.prefix = f"{parts.path.strip('/')}/".lstrip("/")
        self._region = settings.region or _region_of_environment()
        self._credentials = credentials
        endpoint = urlsplit(settings.endpoint or f"https://s3.{self._region}.amazonaws.com")
        self._is_secure = endpoint.scheme == "https"
        self._host, self._base = endpoint.netloc, endpoint.path.rstrip("/")
        if settings.path_style:
            self._base = f"{self._base}/{self._bucket}"
        else:
            self._host = f"{self._bucket}.{self._host}"

    async def abort_older(self, than_ms: int, prefixes: tuple[str, ...]) -> int:
        """End those that began before a moment, below our prefix and one of these; how many.

        Raises StorageFailed.
        """
        ended = 0
        for prefix in prefixes:
            for one in await asyncio.to_thread(self._all, self.prefix + prefix):
                if one.begun_ms < than_ms:
                    await asyncio.to_thread(self._abort, one)
                    ended += 1
        return ended

    def _all(self, prefix: str) -> list[HalfPut]:
        """Every one of them; the first of a page is where the page before said."""
        found: list[HalfPut] = []
        marker: dict[str, str] = {}
        while True:
            query = {"uploads": "", "prefix": prefix, "max-uploads": str(_MOST_AT_ONCE)}
            page = _page(self._ask("GET", "", query | marker))
            # What a server lists that does not know `prefix` is none of ours.
            found += [one for one in _uploads(page) if one.key.startswith(prefix)]
            following = {
                "key-marker": page.findtext("NextKeyMarker", ""),
                "upload-id-marker": page.findtext("NextUploadIdMarker", ""),
            }
            if page.findtext("IsTruncated") != "true" or following == marker:
                return found
            marker = following

    def _abort(self, one: HalfPut) -> None:
        self._ask("DELETE", f"/{one.key}", {"uploadId": one.upload_id})

    def _ask(self, method: str, path: str, query: Mapping[str, str]) -> bytes:
        path = quote(self._base + path, safe="/-_.~") or "/"
        text = "&".join(f"{_quoted(name)}={_quoted(query[name])}" for name in sorted(query))
        headers = self._signed(method, path, text, datetime.now(UTC))
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        connection = kind(self._host, timeout=self._timeout_s)
        try:
            connection.request(method, f"{path}?{text}", headers=headers)
            response = connection.getresponse()
            body = response.read(_MOST_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise StorageFailed(f"cannot look for unfinished uploads: {error}") from error
        finally:
            connection.close()
        if response.status == 404 and method == "DELETE":
            return b""  # it ended meanwhile
        if response.status >= 300:
            raise StorageFailed(
                f"cannot look for unfinished uploads: {method} was answered {response.status}"
            )
        return body

    def _signed(self, method: str, path: str, query: str, now: datetime) -> dict[str, str]:
        """The request's headers, the signature over all of them among them."""
        at, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        headers = {"host": self._host, "x-amz-content-sha256": _NOTHING, "x-amz-date": at}
        if self._credentials.token:
            headers["x-amz-security-token"] = self._credentials.token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = "\n".join((method, path, query, lines, names, _NOTHING))
        scope = f"{day}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}"
        key = f"AWS4{self._credentials.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = f"{self._credentials.key_id}/{scope}"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"
        )
        return headers


def _page(body: bytes) -> ElementTree.Element:
    """The answer without its namespace, which not all servers give it."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise StorageFailed(f"the list of unfinished uploads is no XML: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _uploads(page: ElementTree.Element) -> Iterator[HalfPut]:
    for one in page.iter("Upload"):
        key, upload_id = one.findtext("Key", ""), one.findtext("UploadId", "")
        try:
            begun = datetime.fromisoformat(one.findtext("Initiated", ""))
        except ValueError:
            continue  # nobody can say how old it is
        if key and upload_id and begun.tzinfo is not None:
            yield HalfPut(key, upload_id, int(begun.timestamp() * 1000))


def _region_of_environment() -> str:
    names = ("AWS_REGION", "AWS_DEFAULT_REGION")
    return next((found for name in names if (found := os.environ.get(name))), "us-east-1")


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
