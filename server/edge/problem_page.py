"""A refusal as a page, for a person who opens its address in a browser."""

import string
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from aiohttp import web

_PAGE = string.Template((files("web") / "problem.html").read_text(encoding="utf-8"))
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


def wants_page(request: web.Request) -> bool:
    """Whether a browser opens this address: programs, images and scripts ask for other things."""
    return request.method == "GET" and request.headers.get("Accept", "").startswith("text/html")


def problem_page(problem: Mapping[str, Any]) -> str:
    """HTML of a problem's members. A client's words may stand in them, so all are escaped."""
    return _PAGE.substitute({name: escape(str(value)) for name, value in problem.items()})
