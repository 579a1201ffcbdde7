"""Asks a running server, for the commands that an operator gives it from a shell."""

import sys
from http.client import HTTPResponse
from pathlib import Path
from typing import Annotated, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import orjson
import typer

Url = Annotated[str, typer.Option(help="The server to ask.")]
KeyFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="File with the API key to use.")
]

LOCAL = "http://127.0.0.1:8080"
_TIMEOUT_S = 30.0


def ask(url: str, method: str, path: str, key_file: Path | None) -> dict[str, Any]:
    """A JSON answer; ends the program with the problem, or when no server answers."""
    with open_answer(url, method, path, key_file) as response:
        answer: dict[str, Any] = orjson.loads(response.read())
        return answer


def open_answer(url: str, method: str, path: str, key_file: Path | None) -> HTTPResponse:
    """The same for an answer that is read piece by piece."""
    headers = {}
    if key_file is not None:
        headers["Authorization"] = f"Bearer {key_file.read_text().strip()}"
    request = Request(f"{url.rstrip('/')}{path}", method=method, headers=headers)
    try:
        response: HTTPResponse = urlopen(request, timeout=_TIMEOUT_S)
        return response
    except HTTPError as error:
        problem = orjson.loads(error.read())
        sys.exit(f"safelight: {problem['title']}: {problem['detail']}")
    except URLError as error:
        sys.exit(f"safelight: no server answers at {url}: {error.reason}")
