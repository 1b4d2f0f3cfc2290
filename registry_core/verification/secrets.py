"""Nothing in the package looks like a credential: twelve detectors over all of its text.

Looked at are the decoded strings of manifest and content, the text of every file (a compressed
document too, which the exporting client does not see) and file names. A match is refused, unless
its value is plainly a placeholder or a published demonstration; then it is a warning. Findings
name rule, place, line and the first four characters, never the value.

Time is linear in the text: a detector starts only where one of its literal keywords stands, its
pattern is anchored there, and what a pattern reads is bounded or read by no other attempt.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from registry_core.formats import Candidate
from registry_core.verification.report import Binding, Finding, Severity

NAME = "secrets"

MAX_FINDINGS = 20
"""Findings of one severity that one detector reports of one package, at most."""

_SEPARATOR = "\0\n"
_FIX = "Remove it, revoke it where it was issued, and publish again; it may be known already."


def check(candidate: Candidate, binding: Binding | None) -> Iterable[Finding]:
    """Scan everything a reader of the package would see."""
    corpus = _Corpus.of(_texts(candidate))
    return [finding for detector in _DETECTORS for finding in _findings(detector, corpus)]


def redacted(text: str) -> str:
    """Replace what a detector finds in `text` by its preview."""
    for detector in _DETECTORS:
        for found in reversed(list(_matches(detector, text))):
            text = text[: found.start()] + _preview(found) + text[found.end() :]
    return text


@dataclass(frozen=True, slots=True)
class _Detector:
    """`keywords` are where `pattern` may begin; `doubt` says that a match is no live secret."""

    rule: str
    keywords: tuple[str, ...]
    pattern: re.Pattern[str]
    ignore: Callable[[re.Match[str]], bool] = lambda _: False
    doubt: Callable[[re.Match[str]], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class _Corpus:
    """Many strings as one text, so that a keyword is looked for once; knows whose a position is."""

    text: str
    starts: tuple[int, ...]
    places: tuple[_Place, ...]

    @classmethod
    def of(cls, texts: Iterable[tuple[_Place, str]]) -> _Corpus:
        places, parts = zip(*texts, strict=True)
        lengths = (len(part) + len(_SEPARATOR) for part in parts[:-1])
        return cls(_SEPARATOR.join(parts), tuple(accumulate(lengths, initial=0)), places)

    def place(self, position: int) -> str:
        """Name the string at `position`, with the line where it is not the first."""
        index = bisect_right(self.starts, position) - 1
        line = self.text.count("\n", self.starts[index], position) + 1
        place = redacted(_written(self.places[index]))
        return f"{place}:{line}" if line > 1 or self.places[index][0] is None else place


_Place = tuple[Any, str | int]
"""Where a string stands: the place of its parent (None for a file) and its key there."""


def _written(place: _Place) -> str:
    keys: list[str] = []
    at: Any = place
    while at:
        at, key = at
        keys.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return "".join(reversed(keys)).removeprefix(".")[:512]


def _texts(candidate: Candidate) -> Iterator[tuple[_Place, str]]:
    for file in candidate.files:
        yield ((), "file name"), file.path
        yield (None, file.path), file.text or file.data.decode("latin-1")
    yield from _strings(candidate.manifest, ((), "manifest"))
    yield from _strings(candidate.content, ((), "content"))
    yield ((), "description"), candidate.description


def _strings(root: Mapping[str, Any], place: _Place) -> Iterator[tuple[_Place, str]]:
    """Give every string and, once, every key below `root`, except what is looked at as a file."""
    seen: set[str] = set()
    left: list[tuple[_Place, Any]] = [(place, root)]
    while left:
        place, value = left.pop()
        if isinstance(value, list):
            members = list(enumerate(value))
        else:
            members = _looked_at(value)
            yield from (((place, "key"), str(key)) for key in value.keys() - seen)
            seen.update(value)
        for key, item in members:
            if isinstance(item, str):
                yield (place, key), item
            elif isinstance(item, dict | list):
                left.append(((place, key), item))


def _looked_at(value: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    left_out = {"manifest_toml"} if value.get("encoding") != "zstd+base64" else {"body"}
    return [(key, item) for key, item in value.items() if key not in left_out]


def _findings(detector: _Detector, corpus: _Corpus) -> Iterator[Finding]:
    """Report each different value once, the first of each severity, and stop at enough refusals.

    Where a value stands is looked up for what is reported only, so that a thousand of them in
    one file take no more than one pass over it.
    """
    seen: dict[Severity, set[str]] = {Severity.WARNING: set(), Severity.BLOCK: set()}
    for found in _matches(detector, corpus.text):
        severity = _severity(detector, found)
        if severity is Severity.NOTE or found[0] in seen[severity]:
            continue
        if len(seen[severity]) < MAX_FINDINGS:
            seen[severity].add(found[0])
            yield _finding(detector, severity, found, corpus)
        elif severity is Severity.BLOCK:
            return


def _severity(detector: _Detector, found: re.Match[str]) -> Severity:
    """Weigh a match; NOTE means that it is nobody's secret and not worth a word."""
    if detector.ignore(found):
        return Severity.NOTE
    if _PLACEHOLDER.search(found[0]) or detector.doubt(found):
        return Severity.WARNING
    return Severity.BLOCK


def _finding(
    detector: _Detector, severity: Severity, found: re.Match[str], corpus: _Corpus
) -> Finding:
    place = corpus.place(found.start())
    doubted = severity is Severity.WARNING
    return Finding(
        rule=f"{NAME}/{detector.rule}",
        severity=severity,
        message=f"{detector.rule} in {place}: {_preview(found)}"
        + (" (looks like a placeholder)" if doubted else ""),
        place=place,
        fix="" if doubted else _FIX,
    )


def _matches(detector: _Detector, text: str) -> Iterator[re.Match[str]]:
    for keyword in detector.keywords:
        at = text.find(keyword)
        while at >= 0:
            found = detector.pattern.match(text, at)
            if found:
                yield found
            at = text.find(keyword, found.end() if found else at + len(keyword))


def _preview(found: re.Match[str]) -> str:
    return f"{found[0][:4]}***"


_PLACEHOLDER = re.compile(
    r"example|xxxx|your[-_]|<[^>]*>|\$\{|abc123|123456|placeholder|redacted|(.)\1{5}",
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

_DETECTORS = (
    _Detector(
        "aws_key",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        re.compile(r"(?<![A-Za-z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ),
    _Detector(
        "private_key",
        ("-----BEGIN ",),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:\s|\\[rn]){0,8}(?:[A-Za-z-]{1,20}: [^\n]{0,80}\s{1,4}){0,3}"
            r"(?P<body>[A-Za-z0-9+/=]{40}))?"
        ),
        doubt=_is_mention,
    ),
    _Detector(
        "github_token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        re.compile(_START + r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ),
    _Detector(
        "github_fine_grained",
        ("github_pat_",),
        re.compile(_START + r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{50,100}"),
    ),
    _Detector(
        "anthropic_key",
        ("sk-ant-",),
        re.compile(_START + r"sk-ant-[A-Za-z0-9_-]{32,200}"),
    ),
    _Detector(
        "openai_key",
        ("sk-",),
        re.compile(
            _START + r"sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{32,250}"
            r"|[A-Za-z0-9]{32,128})"
        ),
    ),
    _Detector(
        "gitlab_pat",
        ("glpat-",),
        re.compile(_START + r"glpat-[A-Za-z0-9_-]{20,64}(?:\.[A-Za-z0-9.]{1,32})?"),
    ),
    _Detector(
        "jwt",
        ("eyJ",),
        re.compile(
            r"(?<![A-Za-z0-9_-])(?P<header>eyJ[A-Za-z0-9_-]{12,4096}+)"
            r"\.(?P<claims>eyJ[A-Za-z0-9_-]{12,8192}+)\.[A-Za-z0-9_-]{20,2048}"
        ),
        doubt=_is_demonstration,
    ),
    _Detector(
        "slack_token",
        ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"),
        re.compile(
            _START + r"(?:xox[abprs]-(?:\d-)?\d{8,16}-[A-Za-z0-9-]{16,200}"
            r"|xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[a-z0-9]{32,128})",
            re.ASCII,
        ),
    ),
    _Detector(
        "stripe_key",
        ("sk_live_", "rk_live_"),
        re.compile(_START + r"[sr]k_live_[A-Za-z0-9]{20,247}"),
    ),
    _Detector(
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
    _Detector(
        "npm_token",
        ("npm_",),
        re.compile(_START + r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ),
)
