"""A user's machine to act on: an embedded registry, a project, a home, and a desk over them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ctxmcp import wiring
from ctxmcp.connection import Embedded
from ctxmcp.desk import Desk
from ctxmcp.settings import Settings
from registry_core.callers import OWNER
from registry_core.operation import Model
from registry_core.operations.install import Installation
from registry_core.operations.verify import Verified
from registry_core.publish import publish
from registry_core.registry import Registry
from world import package

BASE = "https://registry.example/api"

Lie = Callable[[Installation], Installation]


def honest(answer: Installation) -> Installation:
    """Change nothing."""
    return answer


class Liar(Embedded):
    """A registry whose install plans, and the bytes behind them, are changed on their way."""

    def __init__(self, registry: Registry, base: str, lie: Lie, served: Mapping[str, bytes]):
        super().__init__(registry, base)
        self._lie = lie
        self._served = served

    async def invoke(self, name: str, arguments: Mapping[str, Any]) -> Model:
        answer = await super().invoke(name, arguments)
        return self._lie(answer) if isinstance(answer, Installation) else answer

    async def artifact(self, url: str, sha256: str, size: int) -> bytes:
        return self._served.get(sha256) or await super().artifact(url, sha256, size)


@dataclass(frozen=True)
class Machine:
    """Everything on it."""

    registry: Registry
    desk: Desk
    settings: Settings
    project: Path

    async def publish(self, name: str, version: str = "1.0.0", **options: object) -> bytes:
        made = package(name, version, **options)  # type: ignore[arg-type]
        done = await publish(self.registry, OWNER, made)
        if done.held:  # what is tried here is a project, with a registry that lets in anything
            await self.registry.packages.release(done.name, done.version, "for a test", OWNER)
        return made

    async def install(self, *refs: str, **options: object) -> Installation:
        done = await self.desk.invoke("install", {"refs": list(refs), **options})
        assert isinstance(done, Installation)
        return done

    def facing(
        self,
        lie: Lie = honest,
        registry: Registry | None = None,
        served: Mapping[str, bytes] = MappingProxyType({}),
        base: str = BASE,
    ) -> Machine:
        """Return this machine before a registry that is a remote one, as far as locks go."""
        settings = replace(self.settings, registry=base)
        liar = Liar(registry or self.registry, base, lie, served)
        return replace(self, desk=Desk(liar, settings, self.project))

    def at(self, moment: datetime) -> None:
        """Let it be another time, here and at the registry."""
        self.desk._clock = self.registry.journal.now = lambda: moment

    async def fork(self, folder: Path) -> Settings:
        """Copy the registry: from here on there are two histories, signed by one key."""
        async with self.registry.journal.database.read() as connection:
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copytree(self.settings.data_dir, folder)
        return replace(self.settings, data_dir=folder)

    async def verify(self, target: str = "") -> Verified:
        found = await self.desk.invoke("verify", {"target": target})
        assert isinstance(found, Verified)
        return found

    def text(self, path: str) -> str:
        return (self.project / path).read_text()

    def tree(self) -> dict[str, str | bytes]:
        """Every file and link of the project."""
        return {
            path.relative_to(self.project).as_posix(): str(path.readlink())
            if path.is_symlink()
            else path.read_bytes()
            for path in sorted(self.project.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@asynccontextmanager
async def machine(folder: Path) -> AsyncIterator[Machine]:
    settings = Settings(
        data_dir=folder / "data",
        key_file=folder / "keys/signing.key",
        tools_dir=folder / "tools",
        home=folder / "home",
    )
    project = folder / "project"
    project.mkdir()
    settings.home.mkdir()
    async with wiring.open_registry(settings) as registry:
        connection = Embedded(registry, "file:///registry")
        desk = Desk(connection, settings, project)
        yield Machine(registry, desk, settings, project)
