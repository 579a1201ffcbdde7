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
# Where an operation notes its refusals until all of them are known; no part of the contract.
_CODES = "codes"
LIMIT = "x-limit"
"""Names the setting that bounds a value; server/edge/openapi/bounds.py puts its value beside it."""


def operation(
    summary: str,
    *,
    about: str = "",
    parameters: Iterable[Parameter] = (),
    body: Mapping[str, Any] | None = None,
    is_body_needed: bool = True,
    answers: Mapping[int, Answer],
    problems: Iterable[str] = (),
) -> Operation:
    """One route: what it does, takes and answers; `problems` are codes of server/refusals.py."""
    responses: dict[str, Answer] = {str(status): answer for status, answer in answers.items()}
    described: Operation = {"summary": summary}
    if about:
        described["description"] = about
    if parameters:
        described["parameters"] = list(parameters)
    if body is not None:
        described["requestBody"] = {"required": is_body_needed, "content": dict(body)}
    return described | {"responses": responses, _CODES: [*problems, *_ALWAYS]}


def told_whole(described: Operation, codes: Iterable[str]) -> Operation:
    """The same with an answer for every refusal: its own, and those of `codes`.

    What stands in a refusal's `type` is told for each status, so that a program knows all it may
    meet, and a refusal that is not told of can be found by whoever checks answers.
    """
    whole = {name: value for name, value in described.items() if name != _CODES}
    responses = dict(described["responses"])
    every = dict.fromkeys((*described.get(_CODES, ()), *codes))
    for status, found in _by_status(every).items():
        # A refusal with the status of an answer, such as 503 of /readyz, is told by that answer.
        responses.setdefault(str(status), _refusal(status, found))
    return whole | {"responses": dict(sorted(responses.items()))}


def answer(
    words: str,
    schema: str | Schema | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    follow: Mapping[str, Any] | None = None,
) -> Answer:
    """A JSON answer; a schema by the name of its component, or spelled out; `follow`: links."""
    told: Answer = {"description": words}
    if follow:
        told["links"] = dict(follow)
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
    schema = {"type": "string", "minLength": 1}
    return _parameter("path", name, words, schema) | {"required": True}


def in_query(name: str, words: str, schema: Schema) -> Parameter:
    """`?name=`, which may be left out."""
    return _parameter("query", name, words, schema)


def in_header(name: str, words: str, **more: Any) -> Parameter:
    """A header, which may be left out."""
    return _parameter("header", name, words, {"type": "string", **more})


def limited_by(setting: str) -> Schema:
    """A part of a schema: its bound is a setting, whose value stands there when it is drawn."""
    return {LIMIT: setting}


def asked(about: str, properties: Mapping[str, Schema], *, needed: Iterable[str] = ()) -> Schema:
    """An object that a client sends: members may be left out, and others are refused."""
    told: Schema = {"type": "object", "description": about, "properties": dict(properties)}
    if needed:
        told["required"] = list(needed)
    return told | {"additionalProperties": False}


def links(*operations: str, of: str = "jobId") -> dict[str, Any]:
    """What can be asked next with the id that an answer has, by operationId."""
    return {
        operation: {"operationId": operation, "parameters": {"id": f"$response.body#/{of}"}}
        for operation in operations
    }


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
    these = {
        "status": {"const": status},
        "type": {"enum": sorted(f"/problems/{one.code}" for one in problems)},
    }
    told: Answer = {
        "description": "; ".join(f"`{one.code}`: {one.title}" for one in problems),
        "content": {
            "application/problem+json": {
                "schema": {"allOf": [ref("Problem"), {"properties": these}]},
                "examples": {one.code: {"value": one.example()} for one in problems},
            }
        },
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = {"description": "Seconds after which it may work.", "schema": {"type": "integer"}}
        told["headers"] = {"Retry-After": seconds}
    return told
