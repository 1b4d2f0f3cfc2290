"""Having a package read by a language model, one window after the other, within a time."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Protocol

from registry_core.errors import RegistryError
from registry_core.verification import meaning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_core.formats import Candidate
    from registry_core.verification import Finding, Section

SECONDS = 20.0
"""For one package, unless a setting says otherwise."""


class Model(Protocol):
    """A language model that is asked in chat."""

    name: str

    async def ask(self, messages: Sequence[dict[str, str]]) -> str:
        """Return what it answers. Raises RegistryError."""


class Reader:
    """A model, and the time it has for one package."""

    def __init__(self, model: Model, seconds: float = SECONDS) -> None:
        self._model = model
        self._seconds = seconds

    async def look(self, candidate: Candidate) -> Section:
        """Have a package read; raises nothing, and says how far it came."""
        shown = meaning.windows(candidate)
        found: list[Finding] = []
        done, failed = 0, ""
        try:
            async with asyncio.timeout(self._seconds):
                for window in shown:
                    question = meaning.messages(candidate, window, secrets.token_hex(8))
                    found += meaning.findings(await self._model.ask(question), window)
                    done += 1
        except TimeoutError:
            failed = f"not done within {self._seconds:g} seconds"
        except RegistryError as error:
            failed = error.message
        return meaning.section(self._model.name, found, done=done, of=len(shown), failed=failed)
