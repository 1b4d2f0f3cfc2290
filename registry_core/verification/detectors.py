"""Twelve detectors of credentials: the formats that a ctxpkg's own client refuses, and no others.

They run beside the maintained scanner (`kingfisher`), and alone where that is not installed. Time
is linear in the text: a detector starts only where one of its literal keywords stands, its pattern
is anchored there, and what a pattern reads is bounded or read by no other attempt.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

VERSION = "1"


class Judgement(Enum):
    """What a match is taken for: somebody's secret, a placeholder, nobody's."""

    CREDENTIAL = "credential"
    DOUBT = "doubt"
    NOBODYS = "nobodys"


@dataclass(frozen=True, slots=True)
class Match:
    """One match of one detector."""

    rule: str
    secret: str
    start: int
    end: int
    judgement: Judgement


def find(text: str) -> Iterator[Match]:
    """Give every match, detector by detector."""
    for detector in DETECTORS:
        for found in _matches(detector, text):
            judgement = _judgement(detector, found)
            yield Match(detector.rule, found[0], found.start(), found.end(), judgement)


def is_placeholder(secret: str) -> bool:
    """Tell a value that only shows where a secret goes."""
    return bool(_PLACEHOLDER.search(secret))


@dataclass(frozen=True, slots=True)
class Detector:
    """`keywords` are where `pattern` may begin; `doubt` says that a match is no live secret."""

    rule: str
    keywords: tuple[str, ...]
    pattern: re.Pattern[str]
    ignore: Callable[[re.Match[str]], bool] = lambda _: False
    doubt: Callable[[re.Match[str]], bool] = lambda _: False


def _matches(detector: Detector, text: str) -> Iterator[re.Match[str]]:
    for keyword in detector.keywords:
        at = text.find(keyword)
        while at >= 0:
            found = detector.pattern.match(text, at)
            if found:
                yield found
            at = text.find(keyword, found.end() if found else at + len(keyword))


def _judgement(detector: Detector, found: re.Match[str]) -> Judgement:
    if detector.ignore(found):
        return Judgement.NOBODYS
    if is_placeholder(found[0]) or detector.doubt(found):
        return Judgement.DOUBT
    return Judgement.CREDENTIAL


_PLACEHOLDER = re.compile(
    r"example|xxxx|your[-_]|<[^>]*>|\$\{|abc123|12345|placeholder|redacted|(.)\1{5}",
    re.IGNORECASE,
)


def _is_mention(found: re.Match[str]) -> bool:
    """Tell a PEM header that no key follows."""
    return not found["body"]


def _is_demonstration(found: re.Match[str]) -> bool:
    """Tell the tokens of jwt.io and Supabase's documentation, and what is no token inside."""
    header, claims = _json_part(found["header"]), _json_part(found["claims"])
    if header is None or claims is None or "alg" not in header:
        return True
    return claims.get("iss") == "supabase-demo" or claims.get("sub") == "1234567890"


def _json_part(part: str) -> dict[str, Any] | None:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


_WEAK = frozenset(
    {"admin", "changeme", "dbpass", "dbpassword", "example", "guest", "mypassword", "pass"}
    | {"passwd", "password", "postgres", "pwd", "root", "secret", "test", "user", "username"}
)
_NOWHERE = re.compile(
    r"(?:localhost|127\.|0\.0\.0\.0|\[::1\]|host\b|hostname\b|example\.|\S*\.example\b"
    r"|\S*\.?example\.(?:com|org|net)\b|[<{$%])",
    re.IGNORECASE,
)


def _is_unqualified(found: re.Match[str]) -> bool:
    """Tell a host of a private network, such as a container's name."""
    return "." not in found["host"]


def _is_nobodys(found: re.Match[str]) -> bool:
    """Tell a database of nobody: the writer's own machine, a placeholder, a trivial password."""
    password = found["password"]
    return (
        password.lower() in _WEAK
        or password == found["user"]
        or password[0] in "$<{%*["
        or "..." in password
        or bool(_NOWHERE.match(found["host"]))
        or bool(_PLACEHOLDER.search(password))
    )


_START = r"(?<![A-Za-z0-9_])"
_DATABASES = ("postgres", "mysql", "mariadb", "mongodb", "redis", "amqp", "mssql", "sqlserver")

DETECTORS = (
    Detector(
        "aws_key",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        re.compile(r"(?<![A-Za-z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ),
    Detector(
        "private_key",
        ("-----BEGIN ",),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:\s|\\[rn]){0,8}(?:[A-Za-z-]{1,20}: [^\n]{0,80}\s{1,4}){0,3}"
            r"(?P<body>[A-Za-z0-9+/=]{40}))?"
        ),
        doubt=_is_mention,
    ),
    Detector(
        "github_token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        re.compile(_START + r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ),
    Detector(
        "github_fine_grained",
        ("github_pat_",),
        re.compile(_START + r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{50,100}"),
    ),
    Detector(
        "anthropic_key",
        ("sk-ant-",),
        re.compile(_START + r"sk-ant-[A-Za-z0-9_-]{32,200}"),
    ),
    Detector(
        "openai_key",
        ("sk-",),
        re.compile(
            _START + r"sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{32,250}"
            r"|[A-Za-z0-9]{32,128})"
        ),
    ),
    Detector(
        "gitlab_pat",
        ("glpat-",),
        re.compile(_START + r"glpat-[A-Za-z0-9_-]{20,64}(?:\.[A-Za-z0-9.]{1,32})?"),
    ),
    Detector(
        "jwt",
        ("eyJ",),
        re.compile(
            r"(?<![A-Za-z0-9_-])(?P<header>eyJ[A-Za-z0-9_-]{12,4096}+)"
            r"\.(?P<claims>eyJ[A-Za-z0-9_-]{12,8192}+)\.[A-Za-z0-9_-]{20,2048}"
        ),
        doubt=_is_demonstration,
    ),
    Detector(
        "slack_token",
        ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"),
        re.compile(
            _START + r"(?:xox[abprs]-(?:\d-)?\d{8,16}-[A-Za-z0-9-]{16,200}"
            r"|xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[a-z0-9]{32,128})",
            re.ASCII,
        ),
    ),
    Detector(
        "stripe_key",
        ("sk_live_", "rk_live_"),
        re.compile(_START + r"[sr]k_live_[A-Za-z0-9]{20,247}"),
    ),
    Detector(
        "db_url",
        _DATABASES,
        re.compile(
            rf"(?:{'|'.join(_DATABASES)})(?:ql)?s?(?:\+[a-z0-9]{{1,20}})?://"
            r"(?P<user>[^\s:/@'\"<>`\0]{0,100}):(?P<password>[^\s:/@'\"<>`\0]{1,200})@"
            r"(?P<host>[^\s/'\"`\0]{1,255})"
        ),
        ignore=_is_nobodys,
        doubt=_is_unqualified,
    ),
    Detector(
        "npm_token",
        ("npm_",),
        re.compile(_START + r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ),
)
