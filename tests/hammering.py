"""Requests that Schemathesis makes of an OpenAPI document, valid ones and broken ones.

They are the same each time. Whatever is asked, the answer has to be one that the document has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.control import SkipTest
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]

_CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_EXAMPLES = 6
"""Requests of each kind to each operation."""

_SETTLED = settings(
    max_examples=_EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

Headers = Callable[[str], Mapping[str, str]]


async def hammer(
    document: dict[str, Any],
    url: str,
    mode: GenerationMode,
    *,
    known: Mapping[str, str],
    headers: Headers,
) -> int:
    """Send what is made of each operation, and return how many requests that were.

    Every other request is about what is there: `known`, by the names of parameters. `headers` says
    what goes with a request to a path.
    """
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.update(modes=[mode], allow_x00=True)
    # In a thread: the server's loop is this one.
    return await asyncio.to_thread(_hammer, schema, url, mode, known, headers)


def _hammer(
    schema: Any, url: str, mode: GenerationMode, known: Mapping[str, str], headers: Headers
) -> int:
    asked = 0
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in sorted(operations, key=lambda one: one.method == "delete"):

        @_SETTLED
        @given(case=operation.as_strategy(generation_mode=mode))
        def test(case: Any) -> None:
            nonlocal asked
            asked += 1
            for name in (case.path_parameters or {}) if asked % 2 else ():
                case.path_parameters[name] = known.get(name, case.path_parameters[name])
            response = case.call(base_url=url, headers=dict(headers(case.path)))
            case.validate_response(response, checks=_CHECKS)

        with suppress(SkipTest):  # of some operations nothing can be wrong
            test()
    return asked
