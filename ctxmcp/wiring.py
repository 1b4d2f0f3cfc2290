"""Opening a registry: the one place that names backends."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ctxmcp import note_keys
from registry_core.database import Database
from registry_core.events.journal import Journal
from registry_core.events.recorder import Recorder
from registry_core.events.search import EventIndex
from registry_core.events.summary import Summaries
from registry_core.knowledge import Knowledge
from registry_core.packages.store import Packages
from registry_core.registry import Registry
from registry_core.search.fts5 import Fts5Index
from registry_core.search.indexer import Indexer
from registry_core.sessions import Sessions
from registry_core.storage.objects import ObjectBlobs, ObjectFiles
from registry_core.tokens import Tokens
from registry_core.transparency.log import Log
from registry_core.transparency.notes import Verifier
from registry_core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ctxmcp.settings import Settings


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[Registry]:
    """Open everything a registry consists of; close it in reverse, whatever happens."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.database)
        stack.push_async_callback(database.close)
        index = await Fts5Index.open(settings.index_file)
        stack.push_async_callback(index.close)
        journal = Journal(database, _now)
        stack.push_async_callback(journal.feed.close)
        event_index = EventIndex(settings.event_index_file, journal.log)
        stack.push_async_callback(event_index.close)
        recorder = Recorder(journal)
        stack.push_async_callback(recorder.close)
        packages = Packages(journal)
        usage = Usage(packages)
        stack.push_async_callback(usage.close)
        yield Registry(
            journal=journal,
            recorder=recorder,
            packages=packages,
            tokens=Tokens(journal),
            blobs=_blobs(settings),
            index=index,
            indexer=Indexer(index, journal, packages),
            usage=usage,
            sessions=Sessions(journal),
            knowledge=Knowledge(journal),
            event_index=event_index,
            summaries=Summaries(journal.log),
            transparency=_transparency(journal, settings),
            clock=_now,
            base_url=settings.base_url,
        )


def _blobs(settings: Settings) -> ObjectBlobs:
    if settings.blobs_url:
        return ObjectBlobs.at_url(settings.blobs_url)
    return ObjectBlobs.in_folder(settings.blobs_dir)


def _transparency(journal: Journal, settings: Settings) -> Log:
    witnesses = [Verifier.parse(text) for text in settings.witnesses]
    if settings.blobs_url:
        files = ObjectFiles.at_url(f"{settings.blobs_url.rstrip('/')}/log")
    else:
        files = ObjectFiles.in_folder(settings.log_dir)
    return Log(journal, files, note_keys.log_key(settings), witnesses)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the clock that the registry hands down
