"""The pieces that descriptions of routes are put together from."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from server.edge.openapi.problems import PROBLEMS, Problem

# Any: OpenAPI and JSON Schema are JSON of any shape.
Schema = dict[str, Any]
Operation = dict[str, Any]
Answer = dict[str, Any]
Parameter = dict[str, Any]

# Whatever the route: a part is away, or the fault is ours.
_ALWAYS = ("unavailable", "internal_error")


def operation(
    summary: str,
    *,
    about: str = "",
    parameters: Iterable[Parameter] = (),
    body: Mapping[str, Any] | None = None,
    answers: Mapping[int, Answer],
    problems: Iterable[str] = (),
) -> Operation:
    """One route: what it does, takes and answers; `problems` are codes of server/refusals.py."""
    responses: dict[str, Answer] = {str(status): answer for status, answer in answers.items()}
    for status, found in _by_status((*problems, *_ALWAYS)).items():
        # A refusal with the status of an answer, such as 503 of /readyz, is told by that answer.
        responses.setdefault(str(status), _refusal(status, found))
    described: Operation = {"summary": summary}
    if about:
        described["description"] = about
    if parameters:
        described["parameters"] = list(parameters)
    if body is not None:
        described["requestBody"] = {"required": True, "content": dict(body)}
    return described | {"responses": dict(sorted(responses.items()))}


def answer(
    words: str, schema: str | Schema | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """A JSON answer; a schema by the name of its component, or spelled out."""
    told: Answer = {"description": words}
    if headers:
        told["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    if schema is not None:
        shape = ref(schema) if isinstance(schema, str) else schema
        told["content"] = {"application/json": {"schema": shape}}
    return told


def ref(name: str) -> Schema:
    """A component by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def in_path(name: str, words: str) -> Parameter:
    """A part of the path."""
    return _parameter("path", name, words, {"type": "string"}) | {"required": True}


def in_query(name: str, words: str, schema: Schema) -> Parameter:
    """`?name=`, which may be left out."""
    return _parameter("query", name, words, schema)


def in_header(name: str, words: str) -> Parameter:
    """A header, which may be left out."""
    return _parameter("header", name, words, {"type": "string"})


def shape(about: str, properties: Mapping[str, Schema], *, optional: Iterable[str] = ()) -> Schema:
    """An object whose members are all there, but for those that are optional."""
    left_out = set(optional)
    return {
        "type": "object",
        "description": about,
        "properties": dict(properties),
        "required": [name for name in properties if name not in left_out],
    }


def text(words: str, **more: Any) -> Schema:
    """A string."""
    return {"type": "string", "description": words, **more}


def whole(words: str, **more: Any) -> Schema:
    """A whole number, not below 0."""
    return {"type": "integer", "minimum": 0, "description": words, **more}


def number(words: str, **more: Any) -> Schema:
    """Any number, not below 0."""
    return {"type": "number", "minimum": 0, "description": words, **more}


def flag(words: str) -> Schema:
    """True or false."""
    return {"type": "boolean", "description": words}


def listed(words: str, of: Schema) -> Schema:
    """A list."""
    return {"type": "array", "description": words, "items": of}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _parameter(place: str, name: str, words: str, schema: Schema) -> Parameter:
    return {"name": name, "in": place, "description": words, "schema": schema}


def _by_status(codes: Iterable[str]) -> dict[int, list[Problem]]:
    found: dict[int, list[Problem]] = {}
    for code in codes:
        problem = PROBLEMS[code]
        found.setdefault(problem.status, []).append(problem)
    return found


def _refusal(status: int, problems: list[Problem]) -> Answer:
    told: Answer = {
        "description": "; ".join(f"`{one.code}`: {one.title}" for one in problems),
        "content": {
            "application/problem+json": {
                "schema": ref("Problem"),
                "examples": {one.code: {"value": one.example()} for one in problems},
            }
        },
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = {"description": "Seconds after which it may work.", "schema": {"type": "integer"}}
        told["headers"] = {"Retry-After": seconds}
    return told
