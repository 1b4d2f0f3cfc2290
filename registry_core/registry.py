"""A registry: the collaborators that operations work with, and the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_core.verification.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from registry_core.accounts import Accounts
    from registry_core.domains import Domains
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
    from registry_core.search import SearchIndex
    from registry_core.search.indexer import Indexer
    from registry_core.sessions import Sessions
    from registry_core.signin import Post, SignIn
    from registry_core.storage import Blobs
    from registry_core.teams import Teams
    from registry_core.tokens import Tokens
    from registry_core.transparency.log import Log
    from registry_core.usage import Usage


@dataclass(frozen=True)
class Registry:
    """Everything one registry consists of. Opened and closed by the program, never found."""

    journal: Journal
    recorder: Recorder
    packages: Packages
    shelves: Shelves
    cards: Cards
    uses: Uses
    toolbox: Toolbox
    proposals: Proposals
    purchases: Purchases
    popular: Popular
    advisories: Advisories
    rescans: Rescans
    keychains: Keychains
    accounts: Accounts
    domains: Domains
    teams: Teams
    tokens: Tokens
    sign_in: SignIn
    blobs: Blobs
    index: SearchIndex
    indexer: Indexer
    usage: Usage
    trends: Trends
    sessions: Sessions
    knowledge: Knowledge
    event_index: EventIndex
    summaries: Summaries
    transparency: Log
    clock: Callable[[], datetime]
    post: Post | None = None
    """What takes mail; None where no server is set that does."""
    reader: Reader | None = None
    """Who reads what packages mean; None where no model is set."""
    policy: Policy = field(default_factory=Policy)
    """What the findings of checks do here."""
    base_url: str = ""
    """Where clients reach this registry, without a slash at the end; "" gives relative URLs."""
