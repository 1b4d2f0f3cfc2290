"""An operation: one thing the registry does, described once.

    @operation(title="Search the registry")
    async def search(registry: Registry, caller: Caller, given: Search) -> SearchResult:
        \"\"\"Find packages by what one needs.\"\"\"

Name, documentation, input and output model are read off the function. MCP tools, HTTP calls, the
OpenAPI document, the command line and the Python client are renderings of the same object.

A field may say where it makes sense: `local()` on the user's own machine (paths, projects),
`remote()` over the network (bytes). A surface shows and takes only its own.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from registry_core.callers import Caller, Scope
from registry_core.errors import Forbidden, Invalid, RegistryError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from registry_core.registry import Registry


_MOST_TOLD = 5
"""Problems of one call that are told."""


class Model(BaseModel):
    """What goes into and comes out of operations: frozen, and nothing unknown is taken."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


G = TypeVar("G", bound=Model)
R = TypeVar("R", bound=Model)
Surface = Literal["local", "remote"]


def local() -> dict[str, Any]:
    """Mark a field for the user's own machine: `Field(json_schema_extra=local())`."""
    return {"x-surface": "local"}


def remote() -> dict[str, Any]:
    """Mark a field for callers over the network."""
    return {"x-surface": "remote"}


def package_text() -> dict[str, Any]:
    """Mark an output field whose text comes from a package: data, never instructions."""
    return {"x-package-text": True}


@dataclass(frozen=True)
class Operation(Generic[G, R]):
    """One operation. Calling it is the typed door: it checks the scope and runs."""

    name: str
    title: str
    doc: str
    run: Callable[[Registry, Caller, G], Awaitable[R]]
    given: type[G]
    output: type[R]
    scope: Scope
    """What a caller must hold somewhere; where exactly is checked against what it touches."""
    writes: bool
    destructive: bool
    ends_in: tuple[type[RegistryError], ...]
    toolset: str
    cacheable: bool
    """Whether equal calls of callers who see the same may be given one answer, while the log tells
    of no change to a package."""

    async def __call__(self, registry: Registry, caller: Caller, given: G) -> R:
        """Run it for a caller that may."""
        self.admit(caller)
        return await self.run(registry, caller, given)

    def admit(self, caller: Caller) -> None:
        """Raise Unauthenticated or Forbidden for a caller that lacks the scope."""
        if not caller.has(self.scope):
            if caller.token_id is None:
                raise Unauthenticated(
                    f"{self.name} needs a token with the scope {self.scope}",
                    hint="Make one with `ctxmcp token create`.",
                )
            raise Forbidden(
                f"{self.name} needs the scope {self.scope}, which this token does not have"
            )

    def read(self, arguments: Mapping[str, Any], surface: Surface) -> G:
        """Validate arguments as a surface takes them. Raises Invalid with the first problems."""
        foreign = self.hidden_from(surface) & arguments.keys()
        if foreign:
            raise Invalid(f"{self.name} takes no {', '.join(sorted(foreign))} here")
        # A body of megabytes has room for so many that listing all of them would take seconds.
        known = self.given.model_fields.keys()
        odd = islice((name for name in arguments if name not in known), _MOST_TOLD)
        few = {name: arguments[name] for name in (*(known & arguments.keys()), *odd)}
        try:
            return self.given.model_validate(few)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            problems = "; ".join(map(_problem, found[:_MOST_TOLD]))
            raise Invalid(f"{self.name}: {problems}") from None

    def hidden_from(self, surface: Surface) -> frozenset[str]:
        """Return the fields that a surface neither shows nor takes."""
        return frozenset(
            name
            for name, field in self.given.model_fields.items()
            if isinstance(field.json_schema_extra, dict)
            and field.json_schema_extra.get("x-surface", surface) != surface
        )

    def input_schema(self, surface: Surface) -> dict[str, Any]:
        """Return the JSON Schema of the input on a surface, without what no reader needs."""
        schema = self.given.model_json_schema()
        definitions = schema.get("$defs", {})
        hidden = self.hidden_from(surface)
        shown = {k: _brief(field) for k, field in schema["properties"].items() if k not in hidden}
        required = [name for name in schema.get("required", ()) if name not in hidden]
        lean = {"type": "object", "properties": _properties(shown, definitions)}
        return lean | {"required": required} if required else lean

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the output, without what no reader needs."""
        schema = self.output.model_json_schema(mode="serialization")
        definitions = schema.pop("$defs", {})
        lean: dict[str, Any] = _lean(schema, definitions)
        return lean


def operation(  # noqa: PLR0913 - each is one fact about the operation
    *,
    title: str,
    scope: Scope,
    writes: bool = False,
    destructive: bool = False,
    ends_in: tuple[type[RegistryError], ...] = (),
    toolset: str = "main",
    cacheable: bool = False,
) -> Callable[[Callable[[Registry, Caller, G], Awaitable[R]]], Operation[G, R]]:
    """Make an operation of a coroutine function `(registry, caller, given) -> output`."""

    def make(run: Callable[[Registry, Caller, G], Awaitable[R]]) -> Operation[G, R]:
        # The models alone are evaluated: the other annotations name what is heavy to import.
        names = vars(sys.modules[run.__module__])
        given: type[G] = names[str(run.__annotations__["given"])]
        output: type[R] = names[str(run.__annotations__["return"])]
        return Operation(
            name=run.__name__,
            title=title,
            doc=" ".join((run.__doc__ or "").split()),
            run=run,
            given=given,
            output=output,
            scope=scope,
            writes=writes,
            destructive=destructive,
            ends_in=ends_in,
            toolset=toolset,
            cacheable=cacheable,
        )

    return make


def _problem(found: Any) -> str:
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg']}" if place else str(found["msg"])


_UNREAD = frozenset({"title", "x-surface", "x-package-text", "additionalProperties"})
"""Keys of a schema that repeat a name, are our own marks, or are told when they are broken."""


def _lean(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Drop what no reader needs, and put each definition where it is used."""
    if isinstance(schema, list):
        return [_lean(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        # What a model or enum is in general would be read at every field that has one.
        found = definitions[schema["$ref"].rpartition("/")[2]]
        general = {key: value for key, value in found.items() if key != "description"}
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return _lean(general | own, definitions)
    return {
        key: _properties(value, definitions) if key == "properties" else _lean(value, definitions)
        for key, value in schema.items()
        if key not in _UNREAD or (key == "additionalProperties" and isinstance(value, dict))
    }


def _properties(properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _lean(schema, definitions) for name, schema in properties.items()}


def _brief(field: dict[str, Any]) -> dict[str, Any]:
    """Shorten an input field: an absent value goes without saying, and limits are told when met."""
    if "default" in field and field["default"] is None:
        field = {**field, **field["anyOf"][0]}
    return {
        key: value
        for key, value in field.items()
        if key not in {"anyOf", "maxLength", "minLength", "maxItems", "minItems", "minimum"}
        and not (key == "default" and not value)
    }
