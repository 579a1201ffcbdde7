"""Asks a running server, for the commands that an operator gives it from a shell."""

import sys
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import orjson

from server.cli.flags import read_key

_TIMEOUT_S = 30.0


def ask(url: str, method: str, path: str, key_file: Path | None) -> dict[str, Any]:
    """A JSON answer; ends the program with the problem, or when no server answers."""
    with open_answer(url, method, path, key_file) as response:
        answer: dict[str, Any] = orjson.loads(response.read())
        return answer


def open_answer(url: str, method: str, path: str, key_file: Path | None) -> HTTPResponse:
    """The same for an answer that is read piece by piece."""
    key = read_key(key_file)
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    request = Request(f"{url.rstrip('/')}{path}", method=method, headers=headers)
    try:
        response: HTTPResponse = urlopen(request, timeout=_TIMEOUT_S)
        return response
    except HTTPError as error:
        sys.exit(f"safelight: {_words(error)}")
    except URLError as error:
        sys.exit(f"safelight: no server answers at {url}: {error.reason}")


def _words(error: HTTPError) -> str:
    """Of the problem; whatever stands before a server may answer with something else."""
    try:
        problem = orjson.loads(error.read())
        return f"{problem['title']}: {problem['detail']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"status {error.code} came without the words of Safelight; is --server right?"
