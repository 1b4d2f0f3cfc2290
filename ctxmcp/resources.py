"""Packages as MCP resources: a template for their overview, one for their files, and completion.

    ctx://acme/pdf                        overview of the latest version, with the readme
    ctx://acme/pdf@1.2.0                  overview of a version, a range or a channel
    ctx://acme/pdf@1.2.0/README           the readme
    ctx://acme/pdf@1.2.0/scripts/fill.py  a file

No package is a concrete resource: a registry has too many for a list that a client reads in one
go. Search finds them. All of it is read through the operations.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    Completion,
    PromptReference,
    ReadResourceResult,
    ResourceTemplate,
    TextResourceContents,
)

from ctxmcp import rendering
from ctxmcp.skills import FILE as SKILL_FILE
from registry_core.errors import Invalid, NotFound
from registry_core.names import Reference
from registry_core.operations.inspect import Inspected
from registry_core.operations.search import SearchResult
from registry_core.operations.versions import VersionList

if TYPE_CHECKING:
    from mcp_types import CompleteRequestParams

    from ctxmcp.connection import Invoker

OVERVIEW = "ctx://{ns}/{name}"
FILE = "ctx://{ns}/{name}@{version}/{+path}"
README = "README"
MOST_TEXT = 200_000
"""Characters of a file in one resource; the end of the text says how to read on."""

MOST_VALUES = 100
"""Values of a completion, at most: the protocol's own limit."""

_PAGE = 50_000
_URI = re.compile(
    r"ctx://(?P<ns>[^/@]+)/(?P<name>[^/@]+)(?:@(?P<version>[^/]+)(?:/(?P<path>.+))?)?"
)

TEMPLATES = (
    ResourceTemplate(
        name="package",
        title="Package",
        uri_template=OVERVIEW,
        description="The latest version of a package: what it is, its files, its readme.",
        mime_type="text/plain",
    ),
    ResourceTemplate(
        name="package-file",
        title="File of a package",
        uri_template=FILE,
        description=f"A text file of a version, or its readme as {README}.",
        mime_type="text/plain",
    ),
)


@dataclass(frozen=True, slots=True)
class Address:
    """What a ctx:// URI names."""

    ref: str
    path: str = ""

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Read a URI. Raises Invalid."""
        found = _URI.fullmatch(uri)
        if found is None:
            raise Invalid("not a package", hint="Write ctx://ns/name@version/path.")
        ns, name, version, path = (unquote(part or "") for part in found.groups())
        ref = f"@{ns}/{name}"
        return cls(f"{ref}@{version}" if version else ref, path)


async def read(desk: Invoker, uri: str) -> ReadResourceResult:
    """Answer resources/read. Raises MCPError with the URI where there is nothing."""
    try:
        text = await _text(desk, Address.parse(uri))
    except (Invalid, NotFound) as error:
        raise MCPError(INVALID_PARAMS, rendering.refusal(error), {"uri": uri}) from None
    contents = TextResourceContents(uri=uri, text=text, mime_type="text/plain")
    return ReadResourceResult(contents=[contents])


async def _text(desk: Invoker, address: Address) -> str:
    marks = rendering.Marks.fresh()
    if not address.path:
        overview = await _inspected(desk, ref=address.ref)
        return rendering.text(overview, marks)
    path = "" if address.path == README else address.path
    first = await _inspected(desk, ref=address.ref, path=path, limit=_PAGE)
    total, parts = first.content.total, [first.content.text]
    for offset in range(_PAGE, min(total, MOST_TEXT), _PAGE):
        page = await _inspected(desk, ref=first.ref, path=path, offset=offset, limit=_PAGE)
        parts.append(page.content.text)
    block = marks.block("".join(parts), first.ref)
    if total <= MOST_TEXT:
        return block
    return f"{block}\n{MOST_TEXT} of {total} characters; read on with inspect, offset={MOST_TEXT}"


async def _inspected(desk: Invoker, **arguments: str | int) -> Inspected:
    return cast("Inspected", await desk.invoke("inspect", arguments))


async def complete(desk: Invoker, params: CompleteRequestParams) -> Completion:
    """Answer completion/complete; what cannot be completed has no values."""
    typed = params.argument.value
    known = (params.context.arguments if params.context else None) or {}
    owner = params.ref.name if isinstance(params.ref, PromptReference) else params.ref.uri
    values = _VALUES.get((owner, params.argument.name))
    try:
        found = await values(desk, typed, known) if values else []
    except (Invalid, NotFound):
        found = []
    fitting = list(dict.fromkeys(value for value in found if value.startswith(typed)))
    return Completion(
        values=fitting[:MOST_VALUES], total=len(fitting), has_more=len(fitting) > MOST_VALUES
    )


async def _refs(desk: Invoker, typed: str, known: Mapping[str, str]) -> list[str]:
    return [f"@{ns}/{name}" for ns, name in await _names(desk, typed)]


async def _namespaces(desk: Invoker, typed: str, known: Mapping[str, str]) -> list[str]:
    return [ns for ns, _ in await _names(desk, typed)]


async def _in_namespace(desk: Invoker, typed: str, known: Mapping[str, str]) -> list[str]:
    wanted = known.get("ns", "")
    return [name for ns, name in await _names(desk, f"{wanted}/{typed}") if ns == wanted]


async def _names(desk: Invoker, typed: str) -> list[tuple[str, str]]:
    """Find packages by the beginning of their name."""
    arguments = {"query": typed, "limit": 50}
    found = cast("SearchResult", await desk.invoke("search", arguments))
    names = [Reference.parse(hit.ref).name for hit in found.hits]
    return sorted((name.namespace, name.name) for name in names)


async def _versions(desk: Invoker, typed: str, known: Mapping[str, str]) -> list[str]:
    name = f"@{known.get('ns', '')}/{known.get('name', '')}"
    listed = cast("VersionList", await desk.invoke("versions", {"name": name}))
    return [*(entry.version for entry in listed.versions), *listed.channels]


async def _paths(desk: Invoker, typed: str, known: Mapping[str, str]) -> list[str]:
    ref = f"@{known.get('ns', '')}/{known.get('name', '')}@{known.get('version', '')}"
    inspected = await _inspected(desk, ref=ref, limit=1)
    return [README, *(file.path for file in inspected.files)]


_VALUES: Mapping[
    tuple[str, str], Callable[[Invoker, str, Mapping[str, str]], Awaitable[list[str]]]
] = {
    ("vet_package", "ref"): _refs,
    (OVERVIEW, "ns"): _namespaces,
    (OVERVIEW, "name"): _in_namespace,
    (SKILL_FILE, "ns"): _namespaces,
    (SKILL_FILE, "name"): _in_namespace,
    (FILE, "ns"): _namespaces,
    (FILE, "name"): _in_namespace,
    (FILE, "version"): _versions,
    (FILE, "path"): _paths,
}
