"""What the server says of itself, beside what the real lean-ctx says, and the OpenAPI documents."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from registry_core.operations import CATALOG
from served import EVERYBODY, Served
from transports.dialects import ctxpkg, ctxpkg_account, leanctx, osv, payments, tlog
from transports.openapi import CONTRACT
from transports.routes import each
from world import World

CAPTURES = "data/ctxpkg/captures"


def shape(document: Any) -> Any:
    """Say of what types a document is, without its values."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return [shape(document[0])] if document else []
    return type(document).__name__


def capture(shared: Path, name: str) -> Any:
    return json.loads((shared / CAPTURES / f"real-v1-{name}.json").read_text())


# --- manifest and capabilities


async def test_the_manifest_has_the_shape_of_the_real_one(served: Served, shared: Path) -> None:
    ours, real = (await served.get("/v1/manifest")).json(), capture(shared, "manifest")
    assert ours.keys() == real.keys()
    for key in ("schema_version", "counts", "read_modes"):
        assert shape(ours[key]) == shape(real[key])
    assert ours["tools"].keys() == real["tools"].keys()
    assert ours["tools"]["granular"][0].keys() == real["tools"]["granular"][0].keys()


async def test_the_manifest_lists_the_tools_with_the_digests_of_their_schemas(
    served: Served,
) -> None:
    manifest = (await served.get("/v1/manifest")).json()
    listed = (await served.get("/v1/tools")).json()
    tools = manifest["tools"]["granular"]
    assert manifest["counts"] == {"granular": listed["total"], "unified": 0}
    assert [{k: v for k, v in tool.items() if k != "schema_md5"} for tool in tools] == listed[
        "tools"
    ]
    for tool in tools:
        text = json.dumps(tool["input_schema"], sort_keys=True, separators=(",", ":"))
        assert tool["schema_md5"] == hashlib.sha256(text.encode()).hexdigest()


async def test_the_capabilities_have_the_members_of_the_real_ones(
    served: Served, shared: Path
) -> None:
    ours, real = (await served.get("/v1/capabilities")).json(), capture(shared, "capabilities")
    assert ours.keys() == real.keys()
    for key in ("contract_version", "server", "plane", "transports", "read_modes", "tools"):
        assert shape(ours[key]) == shape(real[key])
    assert set(ours["contracts"]) <= set(real["contracts"])
    assert set(ours["contract_status"]) <= set(real["contract_status"])


async def test_the_capabilities_say_what_is_here_and_nothing_more(served: Served) -> None:
    said = (await served.get("/v1/capabilities")).json()
    listed = (await served.get("/v1/tools")).json()
    assert said["contracts"]["leanctx.contract.http_mcp.contract_version"] == 1
    assert said["contract_status"]["http-mcp"] == "frozen"
    assert said["tools"] == {
        "total": listed["total"],
        "names": [tool["name"] for tool in listed["tools"]],
    }
    assert not said["features"]["compression"]
    assert said["features"]["audit_trail"]
    assert said["presets"] == []


async def test_status_says_where_the_log_is(served: Served) -> None:
    said = (await served.get("/v1/status")).json()
    assert (said["status"], said["server"]["name"]) == ("ok", "ctxmcp")
    assert said["latestEventId"] == 0
    await served.world.publish("@acme/review")
    assert (await served.get("/v1/status")).json()["latestEventId"] > 0


async def test_what_the_server_is_is_told_to_who_comes_in(sqlite_world: World) -> None:
    async with Served.inside(sqlite_world, EVERYBODY) as served:
        for name in ("status", "manifest", "capabilities", "openapi.json", "tools"):
            assert (await served.get(f"/v1/{name}")).status_code == 401
        assert (await served.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/manifest", "/v1/capabilities", "/v1/openapi.json"])
async def test_a_document_is_the_same_each_time(served: Served, path: str) -> None:
    first, again = [await served.get(path) for _ in range(2)]
    assert first.content == again.content
    assert first.headers["content-type"] == "application/json"


# --- OpenAPI


@pytest.fixture
async def contract(served: Served) -> Any:
    return (await served.get("/v1/openapi.json")).json()


@pytest.fixture
async def whole(served: Served) -> Any:
    return (await served.get("/openapi.json")).json()


def methods(document: Any) -> set[str]:
    return {
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    }


def routes() -> set[str]:
    return {
        f"{method} {route.path_format}"
        for route in each(
            [
                *leanctx.routes(),
                *ctxpkg.routes(),
                *ctxpkg_account.routes(),
                *osv.routes(),
                *payments.routes(),
                *tlog.routes(),
            ]
        )
        for method in (route.methods or set()) - {"HEAD"}
    }


def test_the_documents_are_openapi(contract: Any, whole: Any) -> None:
    validate(contract)
    validate(whole)
    assert contract["openapi"].startswith("3.")


def test_the_contract_has_its_eleven_routes_and_no_other_key(contract: Any, shared: Path) -> None:
    assert methods(contract) == CONTRACT
    assert len(CONTRACT) == 11
    real = capture(shared, "openapi")
    assert set(real["paths"]) - set(contract["paths"]) == {"/v1/cache/stats"}
    assert set(contract["paths"]) <= set(real["paths"])
    assert contract["components"]["securitySchemes"] == real["components"]["securitySchemes"]
    for path, item in contract["paths"].items():
        for method, operation in item.items():
            assert operation["security"] == real["paths"][path][method]["security"]


def test_every_route_is_in_the_whole_document(whole: Any) -> None:
    assert methods(whole) - {"GET /mcp", "POST /mcp", "DELETE /mcp"} == routes()


def test_every_operation_can_be_called_by_the_document(whole: Any) -> None:
    schemas = whole["components"]["schemas"]
    mapping = schemas["ToolCall"]["discriminator"]["mapping"]
    assert list(mapping) == list(CATALOG)
    for name, operation in CATALOG.items():
        called = schemas[f"call.{name}"]["properties"]
        assert called["name"] == {"const": name}
        assert called["arguments"]["properties"] == operation.input_schema("remote")["properties"]
        assert schemas[f"output.{name}"] == operation.output_schema()


def test_ids_are_there_once_and_every_parameter_of_a_path_is_described(whole: Any) -> None:
    operations = [
        (path, operation) for path, item in whole["paths"].items() for operation in item.values()
    ]
    ids = [operation["operationId"] for _, operation in operations]
    assert len(set(ids)) == len(ids)
    for path, operation in operations:
        assert operation["summary"]
        named = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
        assert named == re.findall(r"{(\w+)}", path)


def test_every_schema_that_is_named_is_there(contract: Any, whole: Any) -> None:
    for document in (contract, whole):
        named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
        assert named <= set(document["components"]["schemas"])


SEARCH = {"name": "search", "arguments": {"query": "review"}}
ANSWERED = [
    ("GET", "/v1/status", None),
    ("GET", "/v1/manifest", None),
    ("GET", "/v1/capabilities", None),
    ("GET", "/v1/tools", None),
    ("POST", "/v1/tools/call", SEARCH),
    ("POST", "/v1/tools/call", {"name": "inspect", "arguments": {"ref": "@acme/review"}}),
    ("POST", "/v1/session/mutate", {"state": {"a": 1}, "expectedVersion": 0}),
    ("GET", "/v1/session", None),
    ("GET", "/v1/session/list", None),
    ("POST", "/v1/knowledge/remember", {"key": "k", "value": "v"}),
    ("GET", "/v1/knowledge/search", None),
    ("POST", "/v1/knowledge/search", {"query": "v"}),
    ("GET", "/v1/context/summary", None),
    ("GET", "/v1/events/search?q=acme", None),
    ("GET", "/v1/events/lineage?id=1", None),
    ("GET", "/v1/metrics", None),
    ("GET", "/api/v1/index.json", None),
    ("GET", "/api/v1/search?q=review", None),
    ("GET", "/api/v1/publishers/acme/index.json", None),
    ("GET", "/api/v1/packages/acme/review/index.json", None),
    ("GET", "/api/v1/packages/acme/review/1.0.0/trust", None),
    ("GET", "/api/v1/osv/index.json", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ANSWERED)
async def test_a_request_and_its_answer_are_what_the_document_says(
    served: Served, whole: Any, method: str, path: str, body: Any
) -> None:
    await served.world.publish("@acme/review")
    template = path.partition("?")[0]
    for name, value in (("ns", "acme"), ("name", "review"), ("version", "1.0.0")):
        template = template.replace(f"/{value}", f"/{{{name}}}")
    described = whole["paths"][template][method.lower()]
    if body is not None:
        check(whole, described["requestBody"]["content"]["application/json"]["schema"], body)
    response = await served.http.request(method, path, json=body)
    assert response.status_code == 200
    answer = described["responses"]["200"]["content"]["application/json"]["schema"]
    check(whole, answer, response.json())
    refused = await served.get("/v1/nowhere")
    check(
        whole,
        described["responses"]["default"]["content"]["application/json"]["schema"],
        refused.json(),
    )


def check(document: Any, schema: Any, instance: Any) -> None:
    """Validate against a schema of the document, whose references are of the whole of it."""
    Draft202012Validator({**schema, "components": document["components"]}).validate(instance)
