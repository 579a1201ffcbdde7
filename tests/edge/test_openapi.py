"""GET /openapi.json: says all that the server does, and nothing that it does not."""

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from pool.recipe import Recipe
from pool.steps import STEPS
from server.edge.openapi import DESCRIBED
from server.edge.openapi.problems import PROBLEMS
from server.refusals import FETCH_FAULTS, JOB_FAULTS, PICTURE_FAULTS
from tests.edge.forms import form, upload
from tests.edge.pictures import jpeg

PROJECT = Path(__file__).parents[2]

# Any: OpenAPI and JSON Schema are JSON of any shape.
Contract = dict[str, Any]


@pytest_asyncio.fixture
async def contract(client: ClientSession) -> Contract:
    """The contract as the shared server tells it."""
    async with client.get("/openapi.json") as response:
        assert response.status == 200
        told: Contract = await response.json()
    return told


async def test_it_is_valid_openapi_3_1(contract: Contract) -> None:
    validate(contract)
    assert contract["openapi"].startswith("3.1")


async def test_every_route_is_described_and_every_description_has_its_route(
    contract: Contract,
) -> None:
    served = {
        f"{method.upper()} {path}"
        for path, operations in contract["paths"].items()
        for method in operations
    }

    assert served == set(DESCRIBED)


async def test_every_operation_has_a_summary_its_parameters_and_answers(contract: Contract) -> None:
    for path, operations in contract["paths"].items():
        for operation in operations.values():
            named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert operation["summary"]
            assert named == set(re.findall(r"{(\w+)}", path))
            assert any(status < "400" for status in operation["responses"])


async def test_names_of_operations_differ(contract: Contract) -> None:
    names = [
        operation["operationId"]
        for operations in contract["paths"].values()
        for operation in operations.values()
    ]

    assert len(names) == len(set(names))
    assert "getImageByIdByVariant" in names
    assert all(name.isalnum() for name in names)


def test_every_code_of_the_service_is_told() -> None:
    source = "\n".join(path.read_text() for path in (PROJECT / "server").rglob("*.py"))
    spelled = set(re.findall(r'\bcode(?:, title)? = "([a-z_]+)"', source))
    spelled |= set(re.findall(r'\bcode, title = \d+, "([a-z_]+)"', source))

    assert "too_large" in spelled
    assert "range_not_satisfiable" in spelled
    faults = set(PICTURE_FAULTS | FETCH_FAULTS | JOB_FAULTS)
    assert spelled | faults | {"bad_request"} == set(PROBLEMS)


async def test_uploads_tell_of_all_that_may_be_wrong_with_a_picture_or_its_work(
    contract: Contract,
) -> None:
    told = {
        one.removeprefix("/problems/")
        for answer in contract["paths"]["/upload"]["post"]["responses"].values()
        for content in answer.get("content", {}).values()
        for part in content["schema"].get("allOf", ())
        for one in part.get("properties", {}).get("type", {}).get("enum", ())
    }

    assert set(PICTURE_FAULTS | JOB_FAULTS) <= told


async def test_the_recipe_is_there_with_every_step_and_output_option(contract: Contract) -> None:
    recipe = contract["components"]["schemas"]["Recipe"]["properties"]

    assert set(STEPS) <= set(recipe)
    assert set(recipe) == set(Recipe.model_json_schema(by_alias=True)["properties"])
    assert all(field.get("description") for field in recipe.values())
    assert recipe["blur"]["anyOf"][0] == {"$ref": "#/components/schemas/RecipeBlur"}
    sigma = _schema(contract, "RecipeBlur")["sigma"]
    assert (sigma["minimum"], sigma["maximum"], sigma["unit"]) == (0.3, 250, "px")
    assert _schema(contract, "RecipeResize")["fit"]["default"] == "inside"


@pytest.mark.parametrize("path", ["/status/{id}", "/job/{id}"])
async def test_a_job_answers_as_described(
    client: ClientSession, contract: Contract, path: str
) -> None:
    answer = await upload(client, jpeg(), options={"format": "png"})
    _conforms(contract, "POST /upload", 200, answer)
    async with client.get(path.format(id=answer["jobId"])) as response:
        _conforms(contract, f"GET {path}", 200, await response.json())


async def test_a_batch_answers_as_described(client: ClientSession, contract: Contract) -> None:
    data = form(("1.jpg", jpeg()), ("2.jpg", jpeg(64, 32)), ("3.jpg", b"no picture"))
    async with client.post("/upload", data=data) as response:
        taken = await response.json()
    _conforms(contract, "POST /upload", 202, taken)
    async with client.get(f"/status/{taken['jobId']}", params={"wait": "60"}) as response:
        _conforms(contract, "GET /status/{id}", 200, await response.json())


async def test_a_refusal_answers_as_described(client: ClientSession, contract: Contract) -> None:
    async with client.get("/status/nobody") as response:
        _conforms(contract, "GET /status/{id}", 404, await response.json(content_type=None))


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
async def test_health_answers_as_described(
    client: ClientSession, contract: Contract, path: str
) -> None:
    async with client.get(path) as response:
        _conforms(contract, f"GET {path}", 200, await response.json())


def _conforms(contract: Contract, route: str, status: int, answer: Any) -> None:
    """The answer fits its schema, and has no member that the schema does not speak of."""
    method, path = route.split()
    content = contract["paths"][path][method.lower()]["responses"][str(status)]["content"]
    (media_type,) = content.values()
    schema = _closed(media_type["schema"], contract["components"]["schemas"])
    OAS31Validator(schema).validate(answer)


def _closed(part: Any, schemas: Contract) -> Any:
    """A copy with references followed, in which unknown members are wrong."""
    if isinstance(part, list):
        return [_closed(one, schemas) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        # What a recipe is checked by has tests of its own, and refers to itself.
        return {"type": "object"} if name == "Recipe" else _closed(schemas[name], schemas)
    if "allOf" in part:  # the first says which members there are, the others more about them
        first, *others = part["allOf"]
        return {"allOf": [_closed(first, schemas), *others]}
    closed = {key: _closed(value, schemas) for key, value in part.items()}
    if "properties" in part:
        closed["additionalProperties"] = False
    return closed


def _schema(contract: Contract, name: str) -> Contract:
    found: Contract = contract["components"]["schemas"][name]["properties"]
    return found
