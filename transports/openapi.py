"""The OpenAPI documents: of the contract's routes alone, and of every route.

A route describes itself: its path and methods, and the docstring of its endpoint. What is beyond
that (parameters, bodies, answers) stands in `ROWS`, and the schemas of operations are those of
their models. So a new route is in the document by being there, and a new operation too.

The contract's conformance kit reads every key of a path item as a method, and takes no route but
the eleven of `CONTRACT`; nothing is therefore shared on the level of a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from registry_core.callers import PLACE
from registry_core.events.kinds import EventKind
from registry_core.operations import CATALOG
from transports import refusals
from transports.headers import SESSION
from transports.routes import each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from starlette.applications import Starlette
    from starlette.routing import Route

    from registry_core.operation import Model, Operation

    Schema = Mapping[str, Any]

CONTRACT = frozenset(
    {
        "GET /health",
        "GET /v1/manifest",
        "GET /v1/capabilities",
        "GET /v1/openapi.json",
        "GET /v1/tools",
        "GET /v1/events",
        "GET /v1/context/summary",
        "GET /v1/events/search",
        "GET /v1/events/lineage",
        "GET /v1/metrics",
        "POST /v1/tools/call",
    }
)
"""The routes of HTTP-MCP version 1."""

VERSION = "3.1.0"
T = TypeVar("T")


def contract(app: Starlette, version: str) -> bytes:
    """Return the document of the contract's routes, encoded."""
    routes = [(key, route) for key, route in _routes(app) if key in CONTRACT]
    return _kept(app, "contract", "The HTTP-MCP contract, version 1", version, routes)


def whole(app: Starlette, version: str) -> bytes:
    """Return the document of every route, encoded."""
    return _kept(app, "whole", "ctxmcp: a registry of context packages", version, _routes(app))


def foreign(
    described: Description, routes: Iterable[Route], version: str, server: str
) -> dict[str, Any]:
    """Return the document of a foreign API, whose routes have the paths of its own document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            key = f"{method} {route.path_format}"
            told = _Told(
                described.rows.get(key, Row()),
                described.name,
                described.error,
                [{"bearerAuth": []}] if key in described.closed else [],
                described.refusals,
                described.refuses_with,
            )
            paths.setdefault(route.path_format, {})[method.lower()] = _operation(key, route, told)
    return {
        "openapi": VERSION,
        "info": {"title": described.title, "version": version},
        "servers": [{"url": server or "/"}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearerAuth": _SCHEMES["bearerAuth"]},
            "schemas": dict(described.schemas),
        },
    }


def _routes(app: Starlette) -> Iterator[tuple[str, Route]]:
    """Give every route that is answered over HTTP and meant for programs, by method and path."""
    for route in each(app.routes):
        if route.include_in_schema:
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield f"{method} {route.path_format}", route


def _kept(
    app: Starlette, name: str, title: str, version: str, routes: Iterable[tuple[str, Route]]
) -> bytes:
    """Return a document of this app; its routes never change, so it is made once."""
    kept: dict[str, bytes] | None = getattr(app.state, "openapi", None)
    if kept is None:
        kept = app.state.openapi = {}
    if name not in kept:
        kept[name] = refusals.encode(_document(title, version, routes))
    return kept[name]


def _document(title: str, version: str, routes: Iterable[tuple[str, Route]]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for key, route in routes:
        method, _, path = key.partition(" ")
        row = ROWS.get(key, getattr(route.endpoint, "row", Row()))
        who = _security(method, path) if row.security is None else row.security
        told = _Told(row, _tag(path), _error(path), who)
        paths.setdefault(path, {})[method.lower()] = _operation(key, route, told)
    return {
        "openapi": VERSION,
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "securitySchemes": {name: _SCHEMES[name] for name in sorted(_named(paths))},
            "schemas": {**SCHEMAS, **_calls(), **_shared()},
        },
    }


_SCHEMES = {
    "bearerAuth": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION},
}


def _named(paths: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the security schemes that operations name."""
    operations = [operation for item in paths.values() for operation in item.values()]
    return {name for one in operations for way in one["security"] for name in way}


@dataclass(frozen=True)
class Row:
    """What a route's path and docstring do not say."""

    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    takes: str = "application/json"
    answer: Schema = field(default_factory=lambda: {"type": "object"})
    gives: str = "application/json"
    status: int = 200
    summary: str = ""
    also_takes: Mapping[str, Schema] = field(default_factory=dict)
    """Other media types of a body."""
    needs_body: bool = True
    also_gives: Mapping[str, Schema] = field(default_factory=dict)
    """Other media types of an answer."""
    security: Sequence[Mapping[str, Sequence[str]]] | None = None
    """Who may, where it is not as everywhere below the first segments of the path."""


def described_by(row: Row) -> Callable[[T], T]:
    """Say beside an endpoint what its path and docstring do not."""

    def marked(endpoint: T) -> T:
        vars(endpoint)["row"] = row
        return endpoint

    return marked


def body_of(model: type[Model]) -> dict[str, Any]:
    """Describe what a model reads, with its enumerations where they are used."""
    schema = model.model_json_schema(by_alias=False)
    defined = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, defined)
    return inlined


def _inlined(schema: Any, defined: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, defined) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(defined[schema["$ref"].rpartition("/")[2]], defined)
    return {name: _inlined(one, defined) for name, one in schema.items()}


@dataclass(frozen=True)
class Description:
    """What the routes of a foreign API do not say of themselves."""

    name: str
    title: str
    rows: Mapping[str, Row]
    schemas: Mapping[str, Schema]
    error: str
    """The schema of a refusal."""
    closed: frozenset[str]
    """The routes that need a token."""
    refusals: Sequence[int] = ()
    """The statuses of refusals, where they are listed one by one."""
    refuses_with: str = "application/json"


@dataclass(frozen=True)
class _Told:
    """What is known of a route: its row, family, schema of refusals, and who may."""

    row: Row
    tag: str
    error: str
    security: Sequence[Mapping[str, Sequence[str]]]
    refusals: Sequence[int] = ()
    refuses_with: str = "application/json"


def _operation(key: str, route: Route, told: _Told) -> dict[str, Any]:
    method, _, path = key.partition(" ")
    row = told.row
    parameters = [
        *(_parameter("path", name, {"type": "string"}) for name in _PARAMETER.findall(path)),
        *(_parameter("query", name, schema) for name, schema in row.query.items()),
        *(_parameter("header", name, schema) for name, schema in row.headers.items()),
    ]
    described: dict[str, Any] = {
        "operationId": "_".join(_WORD.findall(f"{method.lower()} {path}")),
        "tags": [told.tag],
        "summary": row.summary or " ".join((route.endpoint.__doc__ or "").split()),
        "security": told.security,
        "responses": {
            str(row.status): _done(row),
            **{
                str(status): _content("Refused.", told.refuses_with, _ref(told.error))
                for status in told.refusals or ("default",)
            },
        },
    }
    if parameters:
        described["parameters"] = parameters
    if row.body is not None:
        described["requestBody"] = {
            "required": row.needs_body,
            "content": {
                media_type: {"schema": schema}
                for media_type, schema in {row.takes: row.body, **row.also_takes}.items()
            },
        }
    return described


_PARAMETER = re.compile(r"{(\w+)}")
_WORD = re.compile(r"\w+")


def _parameter(place: str, name: str, schema: Schema) -> dict[str, Any]:
    required = place == "path" or bool(schema.get("x-required"))
    shown = {key: value for key, value in schema.items() if not key.startswith("x-")}
    return {"in": place, "name": name, "required": required, "schema": shown}


def _done(row: Row) -> dict[str, Any]:
    if not row.gives:
        return {"description": "Done."}
    answers = {row.gives: row.answer, **row.also_gives}
    return {
        "description": "Done.",
        "content": {kind: {"schema": schema} for kind, schema in answers.items()},
    }


def _content(description: str, media_type: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _tag(path: str) -> str:
    if path.startswith("/log/"):
        return "log"
    return "ctxpkg" if path.startswith("/api/") else "leanctx"


def _error(path: str) -> str:
    return "Refusal" if path.startswith(("/api/", "/log/")) else "Error"


def _security(method: str, path: str) -> list[dict[str, list[str]]]:
    """Say what a caller from another machine needs."""
    if path.startswith("/v1/"):
        return [{"bearerAuth": []}]
    if not path.startswith("/api/"):
        return []
    return [{}, {"bearerAuth": []}] if method == "GET" else [{"bearerAuth": []}]


# --- schemas


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(description: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "string", **({"description": description} if description else {}), **more}


def _number(description: str = "", **more: Any) -> dict[str, Any]:
    return {**_text(description), "type": "integer", **more}


def _object(required: str = "", **properties: Schema) -> dict[str, Any]:
    named = {"type": "object", "properties": properties}
    return {**named, "required": required.split()} if required else named


def _list(of: Schema) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _calls() -> dict[str, Schema]:
    """Return the schemas of calls and outputs: of each operation, and of any."""
    calls = {f"call.{name}": _call(operation) for name, operation in CATALOG.items()}
    outputs = {f"output.{name}": each.output_schema() for name, each in CATALOG.items()}
    mapping = {name: _ref(f"call.{name}")["$ref"] for name in CATALOG}
    either = {
        "oneOf": [_ref(name) for name in calls],
        "discriminator": {"propertyName": "name", "mapping": mapping},
    }
    any_output = {"anyOf": [_ref(name) for name in outputs]}
    said = _object(
        "content isError structuredContent",
        content=_list(_object("type text", type=_text(), text=_text())),
        structuredContent=any_output,
        isError={"type": "boolean"},
    )
    answer = {
        **said,
        "properties": {**said["properties"], "meta": _ref("Meta"), "result": _ref("ToolResult")},
        "required": [*said["required"], "meta", "result"],
    }
    return {**calls, **outputs, "ToolCall": either, "ToolResult": said, "ToolAnswer": answer}


def _call(operation: Operation[Any, Any]) -> Schema:
    arguments = operation.input_schema("remote")
    if "required" not in arguments:
        arguments = {**arguments, "type": ["object", "null"]}
    called = _object(
        "name arguments" if "required" in arguments else "name",
        name={"const": operation.name},
        arguments=arguments,
        workspaceId=_WORKSPACE,
        channelId=_CHANNEL,
    )
    return {**called, "title": operation.title, "description": operation.doc}


def _shared() -> dict[str, Schema]:
    """Return the bodies and answers of sessions and knowledge: operations, in camel case."""
    found: dict[str, Schema] = {}
    for name, operation in CATALOG.items():
        if operation.toolset == "team":
            found[f"body.{name}"] = _camel(operation.input_schema("remote"))
            found[f"answer.{name}"] = _camel(operation.output_schema())
    facts = found["answer.knowledge_search"]["properties"]
    renamed = {"results": facts["facts"], "count": _number()}
    others = {name: schema for name, schema in facts.items() if name != "facts"}
    found["answer.knowledge_search"] = _object("results count", **others, **renamed)
    return found


def _camel(schema: Any) -> Any:
    """Rename the properties of a schema, and of those in it, as these addresses spell them."""
    if isinstance(schema, list):
        return [_camel(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {key: _camel(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        named = schema["properties"].items()
        renamed["properties"] = {_spelled(name): _camel(value) for name, value in named}
    if isinstance(schema.get("required"), list):
        renamed["required"] = [_spelled(name) for name in schema["required"]]
    return renamed


def _spelled(name: str) -> str:
    if name in {"workspace", "channel"}:
        return f"{name}Id"
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


_NAME = {"pattern": f"^{PLACE.pattern}$"}
_WORKSPACE = _text("Where it takes place; `default` if absent.", **_NAME)
_CHANNEL = _text("The channel of the workspace; `default` if absent.", **_NAME)
_OF = {"workspaceId": _WORKSPACE, "channelId": _CHANNEL}
_HEADER = {"x-leanctx-workspace": _WORKSPACE}

_READ_MODES = _object("count modes", count=_number(), modes=_list(_text()))

_POINTS = _number(minimum=0, maximum=100)
_WORTH = {
    "quality": {**_POINTS, "type": ["integer", "null"]},
    "roi": {
        **_object(
            "source_tokens distilled_tokens saved_tokens",
            source_tokens=_number("All text in it."),
            distilled_tokens=_number("What an agent reads of it at first."),
            saved_tokens=_number(),
        ),
        "type": ["object", "null"],
    },
    "price": {
        **_object(
            "amount_cents currency", amount_cents=_number(minimum=1), currency=_text("Such as usd.")
        ),
        "type": ["object", "null"],
    },
}
"""How good a package is, what it saves, what it costs; null: nothing is known, or it is free."""

SCHEMAS: Mapping[str, Schema] = {
    "Error": _object(
        "error error_code",
        error=_text("What is wrong, for people."),
        error_code=_text("What kind of failure it is, in the contract's words."),
        code=_text("The same, more exactly."),
        hint=_text("What to do next; may be empty."),
    ),
    "Refusal": _object(
        "error",
        error=_text("What is wrong, for people."),
        code=_text(),
        findings=_list({"type": "object"}),
        buy_url=_text("Where a package is bought that is not free."),
    ),
    "Meta": _object(
        "duration_ms cache_hit tokens tokens_saved",
        duration_ms=_number(),
        cache_hit={"type": "boolean"},
        tokens=_number("Of the answer's text, estimated as a quarter of its characters."),
        tokens_saved=_number("0: nothing is shortened here."),
    ),
    "Tool": _object(
        "name description input_schema",
        name=_text(),
        description=_text(),
        input_schema={"type": "object"},
    ),
    "Event": _object(
        "id workspaceId channelId kind actor timestamp version parentId consistencyLevel payload",
        id=_number("Grows; never used twice."),
        workspaceId=_text(),
        channelId=_text(),
        kind={"enum": [str(kind) for kind in EventKind]},
        actor={"type": ["string", "null"]},
        timestamp=_text(format="date-time"),
        version=_number("Counts the events of one workspace and channel."),
        parentId={"type": ["integer", "null"]},
        consistencyLevel={"enum": ["local", "eventual", "strong"]},
        payload={"type": "object"},
    ),
    "PackageItem": _object(
        "namespace name scoped_name latest_version",
        namespace=_text(),
        name=_text(),
        scoped_name=_text(),
        kind=_text(),
        description=_text(),
        latest_version={"type": ["string", "null"]},
        versions=_number(),
        downloads=_number(),
        updated_at=_text(format="date-time"),
        tags=_list(_text()),
        verified={"type": "boolean"},
        visibility={"enum": ["public", "private"]},
        **_WORTH,
    ),
    "PackageVersion": _object(
        "version artifact_sha256 size_bytes yanked",
        version=_text(),
        artifact_sha256=_text(pattern="^[0-9a-f]{64}$"),
        size_bytes=_number(),
        signer_public_key={"type": ["string", "null"]},
        yanked={"type": "boolean"},
        yank_reason=_text(),
        downloads=_number(),
        published_at=_text(format="date-time"),
    ),
}

_PAGE = {"offset": _number(default=0, minimum=0), "limit": _number(minimum=0)}
_FILTERS = {
    **_OF,
    "kind": _text("Kinds of events, with commas between."),
    "detail": {"enum": ["refs_only", "summary", "full"]},
}
_SEEN = {"seen": _number("`asOf` of an earlier answer, for notes on what was missed.")}
_KIND = {"kind": _text("skills, agent, tool, ...")}
_ITEMS = _list(_ref("PackageItem"))

ROWS: Mapping[str, Row] = {
    "GET /health": Row(gives="text/plain", answer=_text()),
    "GET /v1/status": Row(answer=_object("status server", status=_text(), server=_object())),
    "GET /v1/manifest": Row(
        answer=_object(
            "schema_version counts read_modes tools",
            schema_version={"const": 1},
            counts=_object("granular unified", granular=_number(), unified=_number()),
            read_modes=_READ_MODES,
            tools=_object(
                "granular unified", granular=_list(_ref("Tool")), unified=_list(_ref("Tool"))
            ),
        )
    ),
    "GET /v1/capabilities": Row(
        answer=_object(
            "contract_version server plane transports tools features contracts contract_status",
            contract_version={"const": 1},
            server=_object("name version", name=_text(), version=_text(), persona=_text()),
            plane=_text(),
            transports=_list(_text()),
            presets=_list(_text()),
            read_modes=_READ_MODES,
            tools=_object("total names", total=_number(), names=_list(_text())),
            features={"type": "object", "additionalProperties": {"type": "boolean"}},
            extensions=_object(),
            contracts={"type": "object", "additionalProperties": {"type": "integer"}},
            contract_status={"type": "object", "additionalProperties": {"type": "string"}},
        )
    ),
    "GET /v1/tools": Row(
        query={**_PAGE, "limit": _number(default=200, minimum=0, maximum=500)},
        answer=_object(
            "tools total offset limit",
            tools=_list(_ref("Tool")),
            total=_number(),
            offset=_number(),
            limit=_number(),
        ),
    ),
    "POST /v1/tools/call": Row(headers=_HEADER, body=_ref("ToolCall"), answer=_ref("ToolAnswer")),
    "GET /v1/events": Row(
        query={
            "since": _number("Events after this id; `Last-Event-ID` says the same.", default=0),
            "limit": _number("So many past events at most; without it all of them.", minimum=1),
            **_FILTERS,
        },
        headers={**_HEADER, "last-event-id": _number()},
        gives="text/event-stream",
        answer=_text("Frames of `id`, `event` and `data`; `data` is an Event."),
    ),
    "GET /v1/events/search": Row(
        query={"q": _text(), "limit": _number(default=20, maximum=100), **_FILTERS},
        answer=_object(
            "query results count", query=_text(), results=_list(_ref("Event")), count=_number()
        ),
    ),
    "GET /v1/events/lineage": Row(
        query={
            "id": _number(),
            "depth": _number(default=20, maximum=50),
            **_OF,
            "detail": _FILTERS["detail"],
        },
        answer=_object(
            "eventId depth chain", eventId=_number(), depth=_number(), chain=_list(_ref("Event"))
        ),
    ),
    "GET /v1/session": Row(
        query={**_OF, **_SEEN}, headers=_HEADER, answer=_ref("answer.session_get")
    ),
    "POST /v1/session/mutate": Row(
        headers=_HEADER, body=_ref("body.session_mutate"), answer=_ref("answer.session_mutate")
    ),
    "GET /v1/session/list": Row(
        query={"workspaceId": _WORKSPACE, "limit": _number(default=50), "cursor": _text()},
        headers=_HEADER,
        answer=_ref("answer.session_list"),
    ),
    "POST /v1/knowledge/remember": Row(
        headers=_HEADER,
        body=_ref("body.knowledge_remember"),
        answer=_ref("answer.knowledge_remember"),
    ),
    "GET /v1/knowledge/search": Row(
        query={"q": _text(), "limit": _number(default=10), **_OF, **_SEEN},
        headers=_HEADER,
        answer=_ref("answer.knowledge_search"),
    ),
    "POST /v1/knowledge/search": Row(
        headers=_HEADER, body=_ref("body.knowledge_search"), answer=_ref("answer.knowledge_search")
    ),
    "GET /v1/context/summary": Row(
        query={"limit": _number(), **_OF},
        answer=_object(
            "workspaceId channelId totalEvents eventCountsByKind",
            workspaceId=_text(),
            channelId=_text(),
            totalEvents=_number(),
            latestVersion=_number(),
            activeAgents={"type": "array"},
            recentDecisions={"type": "array"},
            knowledgeDelta={"type": "array"},
            conflictAlerts={"type": "array"},
            eventCountsByKind={"type": "object", "additionalProperties": {"type": "integer"}},
        ),
    ),
    "GET /v1/metrics": Row(
        query={"format": {"enum": ["json", "prometheus"], "default": "json"}},
        also_gives={"text/plain": _text("Prometheus's text format 0.0.4.")},
        answer={"type": "object"},
    ),
    "GET /api/v1/index.json": Row(
        query=_KIND, answer=_object("schema packages", schema=_text(), packages=_ITEMS)
    ),
    "GET /api/v1/search": Row(
        query={"q": _text(), **_KIND},
        answer=_object("count query results", count=_number(), query=_text(), results=_ITEMS),
    ),
    "GET /api/v1/publishers/{ns}/index.json": Row(
        query=_KIND,
        answer=_object(
            "namespace packages",
            namespace=_text(),
            verified_domains=_list(_text()),
            packages=_ITEMS,
        ),
    ),
    "GET /api/v1/packages/{ns}/{name}/index.json": Row(
        answer=_object(
            "schema latest visibility versions",
            schema=_text(),
            latest={"type": ["string", "null"]},
            visibility=_text(),
            versions=_list(_ref("PackageVersion")),
            readme=_text(),
            **_WORTH,
            quality_breakdown={"type": "object", "additionalProperties": _POINTS},
        )
    ),
    "GET /api/v1/packages/{ns}/{name}/{version}/download": Row(
        query={"include_held": _text()}, gives="application/octet-stream", answer={}
    ),
    "GET /api/v1/packages/{ns}/{name}/{version}/trust": Row(
        answer=_object("trust_report", trust_report={"type": "object"})
    ),
    "GET /log/checkpoint": Row(gives="text/plain", answer=_text("c2sp.org/tlog-checkpoint")),
    "GET /log/key": Row(gives="text/plain", answer=_text("name+id+base64")),
    "GET /log/keys": Row(gives="text/plain", answer=_text("Signed notes.")),
    "GET /log/tile/{path}": Row(gives="application/octet-stream", answer={}),
    "GET /log/status": Row(gives="text/plain", answer=_text("A signed note that expires.")),
    "GET /log/standing/{day}/{digest}": Row(gives="text/plain", answer=_text()),
    "POST /log/cosignatures": Row(
        takes="text/plain",
        body=_text("c2sp.org/tlog-checkpoint, with cosignatures"),
        answer=_object("accepted", accepted=_number("Cosignatures of known witnesses.")),
    ),
    "GET /api/v1/badge/{ns}/{name}": Row(gives="image/svg+xml", answer=_text()),
    "PUT /api/v1/packages/{ns}/{name}/{version}": Row(
        summary="Publish a version.",
        takes="application/octet-stream",
        body={},
        status=201,
        answer=_object(
            "published artifact_sha256 size_bytes trust_report",
            published=_text(),
            artifact_sha256=_text(),
            size_bytes=_number(),
            trust_report={"type": "object"},
            held={"type": "boolean"},
            held_because=_list({"type": "object"}),
            next=_text(),
        ),
    ),
    "DELETE /api/v1/packages/{ns}/{name}/{version}": Row(
        summary="Yank a version; its bytes stay.",
        query={"reason": _text()},
        answer=_object("yanked", yanked=_text(), reason=_text()),
    ),
    "POST /api/v1/packages/{ns}/{name}/{version}/unyank": Row(
        answer=_object("unyanked", unyanked=_text())
    ),
    "GET /api/v1/osv/index.json": Row(
        answer=_object("advisories", advisories=_list(_object("id modified", id=_text())))
    ),
    "GET /api/v1/osv/{id}.json": Row(
        answer=_object("schema_version id modified", schema_version=_text(), id=_text())
    ),
}
"""By method and path, as the routes have them."""
