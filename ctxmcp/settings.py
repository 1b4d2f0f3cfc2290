"""Settings, and the only reader of the environment.

A flag of the command line wins over the environment, the environment over the default. Names:

    CTXMCP_DATA_DIR       folder of the embedded registry (also --data-dir)
    CTXMCP_DATABASE_URL   SQLAlchemy URL; default: a SQLite file in the data folder
    CTXMCP_BLOBS_URL      s3://, gs://, az://; default: a folder in the data folder
    CTXMCP_BASE_URL       where clients reach this registry, for absolute download URLs
    CTXMCP_SEARCH         hybrid (default), or fts5: words alone, with SQLite
    CTXMCP_POLICY         file that says what findings do: refuse, hold, flag, off
    CTXMCP_MODEL_URL      endpoint of a language model that reads what is published, such as
                          http://127.0.0.1:11434/v1; with CTXMCP_MODEL, its name there,
                          CTXMCP_MODEL_KEY, and CTXMCP_MODEL_SECONDS that it has for a package
    CTXMCP_EMBEDDING_URL  endpoint of a model that makes the vectors of search, with the same four
                          (CTXMCP_EMBEDDING, ..); `minilm` without one is MiniLM, in this
                          process; default: a table that is shipped
    CTXMCP_GITHUB_CLIENT_ID, CTXMCP_GITHUB_CLIENT_SECRET
                          the OAuth application that people sign in with; also
                          CTXMCP_GITHUB_URL and CTXMCP_GITHUB_API_URL of a GitHub of one's own
    CTXMCP_BUY_URL        where packages are bought; {ns} and {name} stand for the package,
                          {account} for who asks
    CTXMCP_WEBHOOK_SECRET signing secret of the webhook by which Stripe tells of payments
    CTXMCP_SMTP_URL       smtp://USER:PASSWORD@HOST:PORT, starttls://.. or smtps://..: what takes
                          the mail that people sign in with; with CTXMCP_MAIL_FROM, who writes
                          it, and CTXMCP_BASE_URL, which its links begin with
    CTXMCP_DOMAIN_NETWORKS  private networks, such as 10.0.0.0/8, with blanks between, in which
                          publishers' web servers may be that show whose domain it is
    CTXMCP_HOSTS          NAME=API with blanks between: requests for that host speak one API alone
    CTXMCP_KEY            file of the signing key; default: signing.key in the configuration folder
    CTXMCP_LOG_KEY        file of the log's private key; default: log.key in the data folder
    CTXMCP_LOG_ORIGIN     the name of the log, before its key is made; default: of the base URL
    CTXMCP_WITNESS_KEY    file of the key that `ctxmcp witness` signs with; default: witness.key
                          beside the signing key
    CTXMCP_WITNESSES      keys of witnesses whose cosignatures the log takes, with blanks between
    CTXMCP_STATUS_EVERY   hours between two status notes; default: 1
    CTXMCP_STATUS_EXPIRES hours that a status note holds; default: 24
    CTXPKG_REGISTRY       a remote registry instead of the embedded one (also --registry)
    CTXPKG_TOKEN          the token for it
    SOURCE_DATE_EPOCH     the time that packing writes, in seconds; default: now
    CTXMCP_DEBUG          1: an unexpected error prints its traceback
    NO_COLOR, FORCE_COLOR, TERM=dumb, CI    as everywhere: see `Manners`

Limits of `ctxmcp serve`, each for one asker (a token, or an address) unless it says otherwise; 0 is
no limit (`transports.limits` has them with their defaults):

    CTXMCP_REQUESTS_PER_SECOND   on the average
    CTXMCP_BURST                 requests at once after a pause
    CTXMCP_CALLS_PER_MINUTE      tool calls of one token
    CTXMCP_KNOWLEDGE_PER_MINUTE  requests to the knowledge store of one token
    CTXMCP_IN_FLIGHT             requests at the same time
    CTXMCP_IN_FLIGHT_TOTAL       of all askers together
    CTXMCP_STREAMS               event streams at the same time
    CTXMCP_STREAMS_TOTAL         of all askers together
    CTXMCP_AGENTX_PER_MINUTE     requests to agentx's API of one address without a token
    CTXMCP_AGENTX_ACCOUNT_PER_MINUTE   of one account
    CTXMCP_AGENTX_PUBLISHES_PER_HOUR   releases of one account through it
    CTXMCP_LINKS_PER_HOUR        links for signing in by mail that one address has sent
    CTXMCP_LINKS_PER_MAIL_PER_HOUR   of them, those to one mailbox
    CTXMCP_PATCHCAT_RUNS_PER_DAY runs of one contributor's tools that count, of one address
    CTXMCP_TIMEOUT               seconds until an answer begins
    CTXMCP_BODY_SECONDS          seconds that a trickling body is waited for
    CTXMCP_HEAD_SECONDS          seconds for the head of a request
    CTXMCP_STALL_SECONDS         seconds that a client may take nothing of its answer
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from platformdirs import user_config_path, user_data_path, user_state_path

from registry_core.errors import Invalid
from registry_core.names import shown
from registry_core.stripe import Shop
from transports.limits import Limits

APP = "ctxmcp"
MINILM = "minilm"
"""What `CTXMCP_EMBEDDING` is, without an address, for the model that is installed here."""

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Model:
    """A model behind an endpoint: one that reads what is published, or one that search asks."""

    url: str
    """Empty for one that is installed here."""
    name: str
    key: str
    seconds: float

    def __repr__(self) -> str:
        """Leave the key out of every log."""
        return f"Model(url={self.url!r}, name={self.name!r})"


@dataclass(frozen=True, slots=True)
class GitHub:
    """An OAuth application, and the GitHub that knows it."""

    client_id: str
    client_secret: str
    url: str
    api_url: str

    def __repr__(self) -> str:
        """Leave the secret out of every log."""
        return f"GitHub(client_id={self.client_id!r}, url={self.url!r})"


@dataclass(frozen=True, slots=True)
class Smtp:
    """A server that takes mail."""

    host: str
    port: int
    user: str
    password: str
    tls: bool
    """From the first byte on."""
    starttls: bool
    sender: str

    def __repr__(self) -> str:
        """Leave the password out of every log."""
        return f"Smtp(host={self.host!r}, port={self.port!r})"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the program was told."""

    data_dir: Path
    key_file: Path
    tools_dir: Path
    """Where tools are installed: the user's data folder, on no search path."""
    home: Path
    own_policy_file: Path | None = None
    """What the user lets be installed, beside what each project does."""
    database_url: str = ""
    blobs_url: str = ""
    base_url: str = ""
    search: str = "hybrid"
    """The engine of the search index."""
    policy_file: Path | None = None
    """What the registry lets in."""
    model: Model | None = None
    embedding: Model | None = None
    github: GitHub | None = None
    smtp: Smtp | None = None
    domain_networks: tuple[Network, ...] = ()
    """Where a publisher's web server may be, beside what everybody reaches."""
    hosts: str = ""
    shop: Shop = Shop()  # noqa: RUF009 - frozen
    registry: str = ""
    token: str = ""
    log_key: Path | None = None
    log_origin: str = ""
    witnesses: tuple[str, ...] = ()
    status_hours: tuple[float, float] = (1, 24)
    """Between two status notes of the registry, and that one holds."""
    state_dir: Path | None = None
    witness_key: Path | None = None
    source_date: datetime | None = None
    """What packing writes as its time, where builds have to be reproducible."""

    def __repr__(self) -> str:
        """Leave the token and the URLs, which may hold passwords, out of every log."""
        return f"Settings(data_dir={str(self.data_dir)!r}, registry={self.registry!r})"

    @property
    def index_file(self) -> Path:
        """The derived search index, where SQLite is its engine."""
        return self.data_dir / "search.sqlite3"

    @property
    def index_dir(self) -> Path:
        """The derived search index."""
        return self.data_dir / "search"

    @property
    def event_index_file(self) -> Path:
        """The derived index of the event log."""
        return self.data_dir / "events.sqlite3"

    @property
    def blobs_dir(self) -> Path:
        """The folder of blobs, where no other store is set."""
        return self.data_dir / "blobs"

    @property
    def log_dir(self) -> Path:
        """The folder of the transparency log's tiles, where no other store is set."""
        return self.data_dir / "log"

    @property
    def log_key_file(self) -> Path:
        """The private key of the transparency log."""
        return self.log_key or self.data_dir / "log.key"

    @property
    def witness_key_file(self) -> Path:
        """The private key that this user cosigns logs with."""
        return self.witness_key or self.key_file.parent / "witness.key"

    @property
    def state(self) -> Path:
        """Where this machine remembers what registries have shown it."""
        return self.state_dir or self.home / ".local/state/ctxmcp"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'registry.sqlite3'}"


def read(
    *,
    data_dir: Path | None = None,
    registry: str | None = None,
    token: str | None = None,
    environment: Mapping[str, str] = os.environ,  # noqa: TID251 - the one place
) -> Settings:
    """Read the settings; what is passed stands for a flag of the command line."""
    user_data = user_data_path(APP)
    return Settings(
        data_dir=data_dir or Path(environment.get("CTXMCP_DATA_DIR") or user_data / "registry"),
        key_file=Path(environment.get("CTXMCP_KEY") or user_config_path(APP) / "signing.key"),
        tools_dir=user_data / "tools",
        home=Path.home(),
        own_policy_file=user_config_path(APP) / "policy.toml",
        database_url=environment.get("CTXMCP_DATABASE_URL", ""),
        blobs_url=environment.get("CTXMCP_BLOBS_URL", ""),
        base_url=environment.get("CTXMCP_BASE_URL", "").rstrip("/"),
        search=_engine(environment.get("CTXMCP_SEARCH") or "hybrid"),
        model=_model(environment, "MODEL", "20"),
        embedding=_model(environment, "EMBEDDING", "5"),
        github=_github(environment),
        smtp=_smtp(environment),
        domain_networks=_networks(environment.get("CTXMCP_DOMAIN_NETWORKS", "")),
        hosts=environment.get("CTXMCP_HOSTS", ""),
        shop=_shop(environment),
        policy_file=_path(environment.get("CTXMCP_POLICY", "")),
        log_key=_path(environment.get("CTXMCP_LOG_KEY", "")),
        log_origin=environment.get("CTXMCP_LOG_ORIGIN", ""),
        witnesses=tuple(environment.get("CTXMCP_WITNESSES", "").split()),
        status_hours=(
            _number(
                "CTXMCP_STATUS_EVERY", environment.get("CTXMCP_STATUS_EVERY") or "1", whole=False
            ),
            _number(
                "CTXMCP_STATUS_EXPIRES",
                environment.get("CTXMCP_STATUS_EXPIRES") or "24",
                whole=False,
            ),
        ),
        state_dir=user_state_path(APP),
        witness_key=_path(environment.get("CTXMCP_WITNESS_KEY", "")),
        registry=(registry or environment.get("CTXPKG_REGISTRY", "")).rstrip("/"),
        token=token or environment.get("CTXPKG_TOKEN", ""),
        source_date=_moment(environment.get("SOURCE_DATE_EPOCH", "")),
    )


def _model(environment: Mapping[str, str], which: str, usual: str) -> Model | None:
    """Read the four of a model. Raises Invalid for what cannot be meant."""
    start = f"CTXMCP_{which}"
    url, name = environment.get(f"{start}_URL", ""), environment.get(start, "")
    if not url and not name:
        return None
    if not url and (which, name) == ("EMBEDDING", MINILM):
        return Model(url, name, "", 0.0)
    if not url.startswith(("http://", "https://")) or not name:
        raise Invalid(
            f"{start}_URL and {start} have to be an address and a name",
            hint="Such as http://127.0.0.1:11434/v1 and qwen3:8b.",
        )
    text = environment.get(f"{start}_SECONDS") or usual
    seconds = _number(f"{start}_SECONDS", text, whole=False)
    return Model(url, name, environment.get(f"{start}_KEY", ""), seconds)


def _engine(text: str) -> str:
    if text not in {"hybrid", "fts5"}:
        raise Invalid(f"CTXMCP_SEARCH is {shown(text)}, not hybrid or fts5")
    return text


def _github(environment: Mapping[str, str]) -> GitHub | None:
    """Read the application. Raises Invalid for half of one, or an address that is none."""
    client_id = environment.get("CTXMCP_GITHUB_CLIENT_ID", "")
    secret = environment.get("CTXMCP_GITHUB_CLIENT_SECRET", "")
    if not client_id and not secret:
        return None
    if not client_id or not secret:
        raise Invalid("CTXMCP_GITHUB_CLIENT_ID and CTXMCP_GITHUB_CLIENT_SECRET go together")
    told = GitHub(
        client_id,
        secret,
        environment.get("CTXMCP_GITHUB_URL") or "https://github.com",
        environment.get("CTXMCP_GITHUB_API_URL") or "https://api.github.com",
    )
    if not all(url.startswith(("http://", "https://")) for url in (told.url, told.api_url)):
        raise Invalid("CTXMCP_GITHUB_URL and CTXMCP_GITHUB_API_URL have to be addresses")
    return told


def _shop(environment: Mapping[str, str]) -> Shop:
    url = environment.get("CTXMCP_BUY_URL", "")
    if url and not url.startswith(("http://", "https://")):
        raise Invalid("CTXMCP_BUY_URL is no address", hint="Such as https://x.example/{ns}/{name}")
    return Shop(url, environment.get("CTXMCP_WEBHOOK_SECRET", ""))


_MAIL_PORTS = {"smtp": 25, "starttls": 587, "smtps": 465}


def _smtp(environment: Mapping[str, str]) -> Smtp | None:
    """Read what takes mail. Raises Invalid for what cannot be meant."""
    text, sender = environment.get("CTXMCP_SMTP_URL", ""), environment.get("CTXMCP_MAIL_FROM", "")
    if not text:
        return None
    if not sender or not environment.get("CTXMCP_BASE_URL"):
        raise Invalid("CTXMCP_SMTP_URL needs CTXMCP_MAIL_FROM and CTXMCP_BASE_URL")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if url.scheme not in _MAIL_PORTS or not url.hostname:
        raise Invalid(
            "CTXMCP_SMTP_URL is no address of a mail server",
            hint="Such as smtp://127.0.0.1:25 or starttls://USER:PASSWORD@mail.example:587.",
        )
    user, password = unquote(url.username or ""), unquote(url.password or "")
    tls, starttls = url.scheme == "smtps", url.scheme == "starttls"
    port = port or _MAIL_PORTS[url.scheme]
    return Smtp(url.hostname, port, user, password, tls, starttls, sender)


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(one) for one in text.split())
    except ValueError as error:
        raise Invalid(f"CTXMCP_DOMAIN_NETWORKS: {error}", hint="Such as 10.0.0.0/8.") from None


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _moment(seconds: str) -> datetime | None:
    # Build systems set it for everybody; what is no time must not stop a search.
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


_LIMITS = {
    "CTXMCP_REQUESTS_PER_SECOND": "requests_per_second",
    "CTXMCP_BURST": "burst",
    "CTXMCP_CALLS_PER_MINUTE": "calls_per_minute",
    "CTXMCP_KNOWLEDGE_PER_MINUTE": "knowledge_per_minute",
    "CTXMCP_IN_FLIGHT": "in_flight",
    "CTXMCP_IN_FLIGHT_TOTAL": "in_flight_total",
    "CTXMCP_STREAMS": "streams",
    "CTXMCP_STREAMS_TOTAL": "streams_total",
    "CTXMCP_AGENTX_PER_MINUTE": "agentx_per_minute",
    "CTXMCP_AGENTX_ACCOUNT_PER_MINUTE": "agentx_account_per_minute",
    "CTXMCP_AGENTX_PUBLISHES_PER_HOUR": "agentx_publishes_per_hour",
    "CTXMCP_LINKS_PER_HOUR": "links_per_hour",
    "CTXMCP_LINKS_PER_MAIL_PER_HOUR": "links_per_mail_per_hour",
    "CTXMCP_PATCHCAT_RUNS_PER_DAY": "patchcat_runs_per_day",
    "CTXMCP_TIMEOUT": "timeout",
    "CTXMCP_BODY_SECONDS": "body_seconds",
    "CTXMCP_HEAD_SECONDS": "head_seconds",
    "CTXMCP_STALL_SECONDS": "stall_seconds",
}


def limits(environment: Mapping[str, str] = os.environ) -> Limits:  # noqa: TID251 - as above
    """Read the limits of the web app. Raises Invalid for what is no number from 0 on."""
    defaults = Limits()
    given: dict[str, Any] = {
        name: _number(variable, environment[variable], whole=type(getattr(defaults, name)) is int)
        for variable, name in _LIMITS.items()
        if environment.get(variable)
    }
    return replace(defaults, **given)


def _number(variable: str, text: str, *, whole: bool) -> float:
    what = "a whole number" if whole else "a number"
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = -1
    if not 0 <= number < 1e9:
        raise Invalid(f"{variable} is {shown(text)}, not {what} from 0 on", hint="0 is no limit.")
    return number


@dataclass(frozen=True, slots=True)
class Manners:
    """How the user's environment wants programs to behave on a terminal."""

    colour: bool | None
    """None: only on a terminal."""
    still: bool
    """No bars that move, terminal or not."""
    debug: bool


def manners(environment: Mapping[str, str] = os.environ) -> Manners:  # noqa: TID251 - as above
    """Read the manners: https://no-color.org, FORCE_COLOR, a dumb terminal, a CI job."""
    dumb = environment.get("TERM") == "dumb"
    colour = True if environment.get("FORCE_COLOR") else None
    return Manners(
        colour=False if dumb or environment.get("NO_COLOR") else colour,
        still=dumb or bool(environment.get("CI")),
        debug=environment.get("CTXMCP_DEBUG", "") not in {"", "0"},
    )
