"""Opening a registry: the one place that names backends."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ctxmcp import note_keys
from registry_core import trust
from registry_core.accounts import Accounts
from registry_core.database import Database
from registry_core.domains import Domains
from registry_core.errors import Invalid
from registry_core.events.journal import Journal
from registry_core.events.recorder import Recorder
from registry_core.events.search import EventIndex
from registry_core.events.summary import Summaries
from registry_core.keychains import Keychains
from registry_core.knowledge import Knowledge
from registry_core.packages.advisories import Advisories
from registry_core.packages.cards import Cards
from registry_core.packages.popular import Popular
from registry_core.packages.rescans import Rescans
from registry_core.packages.shelves import Shelves
from registry_core.packages.store import Packages
from registry_core.packages.toolbox import Toolbox
from registry_core.packages.trends import Trends
from registry_core.packages.uses import Uses
from registry_core.proposals import Proposals
from registry_core.purchases import Purchases
from registry_core.reader import Reader
from registry_core.registry import Registry
from registry_core.search.deferred import Deferred
from registry_core.search.indexer import Indexer
from registry_core.sessions import Sessions
from registry_core.signin import SignIn
from registry_core.storage.objects import ObjectBlobs, ObjectFiles
from registry_core.teams import Teams
from registry_core.tokens import Tokens
from registry_core.transparency.issuing import Terms
from registry_core.transparency.log import Log
from registry_core.transparency.notes import Verifier
from registry_core.usage import Usage
from registry_core.verification import policy as reading
from registry_core.verification.policy import Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ctxmcp.github import GitHubAccounts
    from ctxmcp.mail import Mailbox
    from ctxmcp.settings import GitHub, Model, Settings, Smtp
    from registry_core.domains import Lookup
    from registry_core.search import SearchIndex
    from registry_core.search.embedded import Embedder

_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[Registry]:
    """Open everything a registry consists of; close it in reverse, whatever happens."""
    policy = _policy(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.database)
        stack.push_async_callback(database.close)
        index = Deferred(partial(_open_index, settings, stack))
        stack.push_async_callback(index.close)
        journal = Journal(database, _now)
        stack.push_async_callback(journal.feed.close)
        event_index = EventIndex(settings.event_index_file, journal.log)
        stack.push_async_callback(event_index.close)
        recorder = Recorder(journal)
        stack.push_async_callback(recorder.close)
        packages = Packages(journal, trust.weigh)
        uses, toolbox = Uses(journal), Toolbox(journal)
        usage = Usage(uses)
        stack.push_async_callback(usage.close)
        accounts, tokens = Accounts(journal), Tokens(journal)
        yield Registry(
            journal=journal,
            recorder=recorder,
            packages=packages,
            shelves=Shelves(journal),
            cards=Cards(journal),
            uses=uses,
            toolbox=toolbox,
            proposals=Proposals(journal, toolbox),
            purchases=Purchases(journal, settings.shop),
            popular=Popular(journal, policy.names),
            advisories=Advisories(journal, trust.weigh),
            rescans=Rescans(journal, trust.weigh),
            keychains=Keychains(journal, packages),
            accounts=accounts,
            domains=Domains(journal, partial(_internet, settings)),
            teams=Teams(journal),
            tokens=tokens,
            sign_in=SignIn(journal, accounts, tokens, _github(settings.github, stack)),
            blobs=_blobs(settings),
            index=index,
            indexer=Indexer(index, journal, packages),
            usage=usage,
            trends=Trends(journal, packages),
            sessions=Sessions(journal),
            knowledge=Knowledge(journal),
            event_index=event_index,
            summaries=Summaries(journal.log),
            transparency=_transparency(journal, settings),
            clock=_now,
            policy=policy,
            post=_post(settings.smtp),
            reader=_reader(settings.model, stack),
            base_url=settings.base_url,
        )


async def _open_index(settings: Settings, stack: AsyncExitStack) -> SearchIndex:
    """Open the hybrid index; SQLite's where that is set, or no engine is installed here."""
    if settings.search != "fts5":
        try:
            engine = await asyncio.to_thread(import_module, "registry_core.search.tantivy")
        except ImportError as error:
            _log.warning("searching with SQLite alone: %s", error)
        else:
            return await _hybrid(engine.TantivyIndex, settings, stack)
    from registry_core.search.fts5 import Fts5Index  # noqa: PLC0415 - where it is used

    return await Fts5Index.open(settings.index_file)


async def _hybrid(kind: Any, settings: Settings, stack: AsyncExitStack) -> SearchIndex:
    """Open the hybrid index, with the vectors of another model where one is set."""
    told = settings.embedding
    if told is None:
        opened: SearchIndex = await kind.open(settings.index_dir)
        return opened
    from registry_core.search.embedded import Embedded, form  # noqa: PLC0415 - where it is used

    model = await _embedder(told, stack)
    named = form(told.name)
    # A folder of its own: who is not told of the model would drop its index as an older form.
    folder = settings.index_dir.with_name(f"{settings.index_dir.name}-{named}")
    return Embedded(await kind.open(folder, named), model)


async def _embedder(told: Model, stack: AsyncExitStack) -> Embedder:
    if not told.url:
        from ctxmcp.minilm import MiniLm  # noqa: PLC0415 - an extra

        return await MiniLm.open()
    from ctxmcp.embeddings import Embeddings  # noqa: PLC0415 - the HTTP client is for who has one

    model = Embeddings(told.url, told.name, told.key, told.seconds)
    stack.push_async_callback(model.close)
    return model


def _blobs(settings: Settings) -> ObjectBlobs:
    if settings.blobs_url:
        return ObjectBlobs.at_url(settings.blobs_url)
    return ObjectBlobs.in_folder(settings.blobs_dir)


def _github(told: GitHub | None, stack: AsyncExitStack) -> GitHubAccounts | None:
    if told is None:
        return None
    from ctxmcp.github import GitHubAccounts  # noqa: PLC0415 - the same HTTP client

    provider = GitHubAccounts(told)
    stack.push_async_callback(provider.close)
    return provider


def _post(told: Smtp | None) -> Mailbox | None:
    if told is None:
        return None
    from ctxmcp.mail import Mailbox  # noqa: PLC0415 - for who has a mail server

    return Mailbox(told)


def _internet(settings: Settings) -> Lookup:
    from ctxmcp.domains import Internet  # noqa: PLC0415 - brings an HTTP client and the DNS

    return Internet(settings.domain_networks)


def _reader(told: Model | None, stack: AsyncExitStack) -> Reader | None:
    if told is None:
        return None
    from ctxmcp.model import ChatModel  # noqa: PLC0415 - the HTTP client is for who has a model

    model = ChatModel(told.url, told.name, told.key)
    stack.push_async_callback(model.close)
    return Reader(model, told.seconds)


def _policy(settings: Settings) -> Policy:
    """Read the policy; a registry does not open with one that cannot be kept to the letter."""
    if settings.policy_file is None:
        return Policy()
    try:
        text = settings.policy_file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(
            f"the policy {settings.policy_file} cannot be read: {error}",
            hint="CTXMCP_POLICY names it.",
        ) from None
    return reading.read(text, str(settings.policy_file))


def _transparency(journal: Journal, settings: Settings) -> Log:
    witnesses = [Verifier.parse(text) for text in settings.witnesses]
    if settings.blobs_url:
        files = ObjectFiles.at_url(f"{settings.blobs_url.rstrip('/')}/log")
    else:
        files = ObjectFiles.in_folder(settings.log_dir)
    signer, handovers = note_keys.log_key(settings)
    return Log(journal, files, signer, witnesses, _terms(settings), handovers)


def _terms(settings: Settings) -> Terms:
    every, expires = settings.status_hours
    return Terms(timedelta(hours=every), timedelta(hours=expires))


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the clock that the registry hands down
