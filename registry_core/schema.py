"""Every table of the registry, on one page. Migrations under `migrations/` bring a database here.

A release is written once: of its columns only those of its yank, of its state and `downloads`
ever change. What a package is called and says today is its `latest` release; the columns of
`packages` that repeat something are kept in the transaction that changes it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class Moment(TypeDecorator[datetime]):
    """A point in time: aware UTC in Python, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and not value.tzinfo else value


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("handle", String(32), nullable=False, unique=True),  # a namespace of that name is its
    Column("display_name", String(100), nullable=False),
    Column("avatar_url", Text, nullable=False),
    Column("bio", Text, nullable=False),
    Column("website", Text, nullable=False),
    Column("email", String(254), unique=True),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
)

identities = Table(
    "identities",
    metadata,
    Column("provider", String(16), primary_key=True),
    Column("subject", String(254), primary_key=True),  # what the provider never gives twice
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("handle", String(100), nullable=False),  # there, when it was last seen
    Column("linked_at", Moment, nullable=False),
)

teams = Table(
    "teams",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("handle", String(32), nullable=False, unique=True),  # a namespace of that name is its
    Column("display_name", String(100), nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

team_members = Table(
    "team_members",
    metadata,
    Column("team_id", ForeignKey("teams.id"), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), primary_key=True, index=True),
    Column("role", String(8), nullable=False),  # read, write, admin
    Column("since", Moment, nullable=False),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("digest", String(64), primary_key=True),  # of the state, or of a link's secret
    Column("purpose", String(16), nullable=False),
    Column("redirect_uri", Text, nullable=False, default=""),
    Column("then_to", Text, nullable=False, default=""),
    Column("email", String(254)),  # where a link was sent; null: at a provider
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment),
)

namespaces = Table(
    "namespaces",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("account_id", ForeignKey("accounts.id"), index=True),  # its owner; or
    Column("team_id", ForeignKey("teams.id"), index=True),  # the team; neither: the registry's
)

domains = Table(
    "domains",
    metadata,
    Column("namespace", ForeignKey("namespaces.name"), primary_key=True),
    Column("domain", String(253), primary_key=True),
    Column("challenge", String(32), nullable=False),  # what it has to show
    Column("asked_at", Moment, nullable=False),
    Column("verified_at", Moment),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("namespace", ForeignKey("namespaces.name"), index=True),
    Column("account_id", ForeignKey("accounts.id"), index=True),
    Column("scopes", JSON, nullable=False),  # with those of its role
    Column("role", String(16), nullable=False),
    Column("workspaces", JSON),  # null: any
    Column("label", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
)

namespace_keys = Table(
    "namespace_keys",
    metadata,
    Column("namespace", ForeignKey("namespaces.name"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),  # the id of its event
    Column("at", Moment, nullable=False),
    Column("statement", JSON, nullable=False),
    Column("envelope", JSON(none_as_null=True)),  # null: stated by the registry itself
)

packages = Table(
    "packages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("namespace", ForeignKey("namespaces.name"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("kind", String(16), nullable=False, index=True),
    Column("visibility", String(8), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("latest_id", Integer),  # no foreign key: each table would then need the other first
    Column("release_count", Integer, nullable=False, default=0),
    Column("downloads", Integer, nullable=False, default=0),
    Column("runs", Integer, nullable=False, default=0),
    Column("successes", Integer, nullable=False, default=0),  # of the runs
    Column("stars", Integer, nullable=False, default=0),
    Column("channels", JSON, nullable=False, default=dict),  # name -> release id
    Column("deprecated", Text),  # why; null: it is not
    Column("replacement", String(100)),
    Column("price_cents", Integer),  # null: it is free
    Column("currency", String(3)),
    UniqueConstraint("namespace", "name"),
)

cards = Table(
    "cards",  # what an owner wrote of a package, beside what its releases say
    metadata,
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("display_name", String(100), nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSON, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("package_id", ForeignKey("packages.id"), nullable=False),
    Column("version", String(64), nullable=False),
    Column("precedence", String(64), nullable=False),  # the version without build metadata
    Column("format", String(16), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size", Integer, nullable=False),
    Column("signer", String(64)),
    Column("description", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("license", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("category", String(32), nullable=False),
    Column("dependencies", JSON, nullable=False),
    Column("powers", JSON, nullable=False),
    Column("source_tokens", Integer),  # of all that is in it; null: it is nothing to read
    Column("distilled_tokens", Integer),  # of what an agent reads of it at first
    Column("outcome", String(8), nullable=False),  # passed or warned, of the report
    Column("position", Integer, nullable=False),  # the id of the event of its publishing
    Column("published_at", Moment, nullable=False),
    Column("published_by", String(100), nullable=False),
    Column("yanked_at", Moment),
    Column("yank_reason", Text),
    Column("state", String(8), nullable=False),  # released, held, rejected, revoked
    Column("state_reason", Text),  # why it is held, or what a reviewer said
    Column("state_by", String(100)),  # who decided; null: the checks
    Column("advisories", JSON, nullable=False, default=list),  # id and summary of each in force
    Column("downloads", Integer, nullable=False, default=0),
    UniqueConstraint("package_id", "precedence"),
    Index(
        "ix_releases_withheld",
        "state",
        sqlite_where=text("state <> 'released'"),
        postgresql_where=text("state <> 'released'"),
    ),
    Index(
        "ix_releases_yanked",
        "yanked_at",
        sqlite_where=text("yanked_at IS NOT NULL"),
        postgresql_where=text("yanked_at IS NOT NULL"),
    ),
)

release_details = Table(
    "release_details",
    metadata,
    Column("release_id", ForeignKey("releases.id"), primary_key=True),
    Column("files", JSON, nullable=False),
    Column("readme", Text, nullable=False),
    Column("body", Text, nullable=False),  # what search reads, bounded
    Column("report", JSON, nullable=False),  # the newest
    Column("rules", String(64), nullable=False, index=True),  # the rule sets it went by
)

purchases = Table(
    "purchases",
    metadata,
    Column("payment", String(255), primary_key=True),  # as who takes the money calls it
    Column("package_id", ForeignKey("packages.id"), nullable=False, index=True),
    Column("namespace", ForeignKey("namespaces.name")),  # whoever reads in it has bought it; or
    Column("email", String(254)),  # the namespace of the account with this address
    Column("amount_cents", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("bought_at", Moment, nullable=False),
    Column("refunded_at", Moment),
)

payment_events = Table(
    "payment_events",  # each is heeded once
    metadata,
    Column("id", String(255), primary_key=True),
    Column("payment", String(255), nullable=False, index=True),
    Column("outcome", String(8), nullable=False),
    Column("at", Moment, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False, index=True),  # since 1970
    Column("downloads", Integer, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("successes", Integer, nullable=False),
)

stars = Table(
    "stars",
    metadata,
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), primary_key=True, index=True),
    Column("at", Moment, nullable=False),
)

tool_names = Table(
    "tool_names",
    metadata,
    Column("name", String(64), primary_key=True),  # as packages spell it
    Column("namespace", ForeignKey("namespaces.name"), nullable=False),
)

proposals = Table(
    "proposals",  # that two tools be made one
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tool_a", String(100), nullable=False),
    Column("version_a", String(64), nullable=False),
    Column("tool_b", String(100), nullable=False),
    Column("version_b", String(64), nullable=False),
    Column("similarity", Float, nullable=False),
    Column("status", String(24), nullable=False, index=True),
    Column("runner", String(100)),  # who is at it
    Column("manifest_yaml", Text),
    Column("source_sha256", String(64)),
    Column("failure_reason", Text),
    Column("runner_log_sha256", String(64)),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("tool_a", "tool_b"),
)

reports = Table(
    "reports",  # of releases that were scanned again: every report, also the first
    metadata,
    Column("artifact_sha256", String(64), primary_key=True),
    Column("rules", String(64), primary_key=True),
    Column("made_at", Moment, nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("report", JSON, nullable=False),
)

advisories = Table(
    "advisories",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("published_at", Moment, nullable=False),
    Column("modified_at", Moment, nullable=False),
    Column("withdrawn_at", Moment),
    Column("summary", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("package", String(100), index=True),  # null: known by its bytes alone
    Column("introduced", String(64), nullable=False),  # the first version; 0: all up to `fixed`
    Column("fixed", String(64)),
    Column("sha256", JSON, nullable=False),
    Column("written_by", String(100), nullable=False),
)

advisory_digests = Table(
    "advisory_digests",
    metadata,
    Column("sha256", String(64), primary_key=True),  # of a file or an artifact
    Column("advisory_id", ForeignKey("advisories.id"), primary_key=True),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("actor", String(100)),
    Column("workspace", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("version", Integer, nullable=False),  # counts within workspace and channel
    Column("parent_id", Integer),
    Column("namespace", String(32)),
    Column("package", String(64)),
    Column("private", Boolean, nullable=False),
    Column("payload", JSON, nullable=False),
    Index("ix_events_channel", "workspace", "channel", "version"),
    sqlite_autoincrement=True,  # an id is never used twice, also after a deletion
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("token_id", String(16)),
    Column("actor", String(100), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("outcome", String(32), nullable=False),  # ok, or the code of the error
    Column("arguments_sha256", String(64), nullable=False),
    Column("duration_ms", Integer, nullable=False),
    sqlite_autoincrement=True,
)

log_leaves = Table(
    "log_leaves",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),  # from 0, without a gap
    Column("event_id", Integer, nullable=False, unique=True),
    Column("kind", String(32), nullable=False),  # of the event
    Column("subject", String(200), nullable=False, index=True),  # @ns/name@version, or less
    Column("leaf", LargeBinary, nullable=False),
    Column("statement", LargeBinary),  # what a sealed leaf says
    Column("salt", String(64)),
)

log_checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),  # signed by the log alone
)

log_cosignatures = Table(
    "log_cosignatures",
    metadata,
    Column("size", ForeignKey("log_checkpoints.size"), primary_key=True, autoincrement=False),
    Column("witness", String(320), primary_key=True),  # its key
    Column("line", Text, nullable=False),
)

log_status = Table(
    "log_status",  # one row
    metadata,
    Column("issued_at", Moment, primary_key=True),
    Column("note", Text, nullable=False),
    Column("before", String(10)),  # the folder of the parts before these
)

sessions = Table(
    "sessions",
    metadata,
    Column("workspace", String(64), primary_key=True),
    Column("channel", String(64), primary_key=True),
    Column("version", Integer, nullable=False),  # counts the changes
    Column("state", JSON, nullable=False),
    Column("event_id", Integer, nullable=False),  # the event of the last change
    Column("updated_at", Moment, nullable=False),
    Column("updated_by", String(100), nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("workspace", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("category", String(64), nullable=False),
    Column("key", String(128), nullable=False),
    Column("value", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("event_id", Integer, nullable=False),
    Column("remembered_at", Moment, nullable=False),
    Column("remembered_by", String(100), nullable=False),
    Column("superseded_by", Integer),  # the fact that took its place
    Index("ix_facts_key", "workspace", "category", "key"),
)
