"""Credentials: what is refused, what is a mere placeholder, and that no value is ever repeated."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.formats import Candidate, File
from registry_core.names import Kind
from registry_core.verification import Finding, Severity, detectors, kingfisher, secrets

# Put together here, so that no scanner of repositories takes this page for a leak.
TOKENS = {
    "aws_key": "AKIA" + "QWERTYUIOPASDFGH",
    "github_token": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "github_fine_grained": "github_pat_" + "11ABCDEFG0a1B2c3D4e5F6" + "_" + "a1B2c3D4e5F6" * 5,
    "anthropic_key": "sk-ant-" + "api03-" + "q7Rt_9Lm-" * 9,
    "openai_key": "sk-" + "proj-" + "q7Rt_9LmZ" * 6,
    "gitlab_pat": "glpat-" + "q7Rt9LmZpW4xK2vB8nYc",
    "slack_token": "xoxb" + "-987654321098-8765432109876-" + "q7Rt9LmZpW4xK2vB8nYcDsEf",
    "stripe_key": "sk_" + "live_" + "q7Rt9LmZpW4xK2vB8nYcDsEf",
    "db_url": "postgres" + "://app:tr0ub4dor-3@db.acme.io:5432/app",
    "npm_token": "npm_" + "q7Rt9LmZpW4xK2vB8nYcDsEfGh1jKl3mNo5p",
}


def jwt(**claims: Any) -> str:
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps(claims)]
    coded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
    return ".".join([*coded, "q7Rt9LmZpW4xK2vB8nYcDsEfGh1jKl3mNo5pQr7sT9u"])


TOKENS["jwt"] = jwt(iss="acme", sub="ada", role="admin")
TOKENS["private_key"] = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7Rt9LmZp" * 3
OTHERS = {
    "aws_key": ["ASIA" + "QWERTYUIOPASDFGH"],
    "github_token": [f"gh{letter}_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8" for letter in "ousr"],
    "openai_key": ["sk-" + "q7Rt9LmZpW4xK2vB8nYcDsEfGh1jKl3mNo5pQr7sT9uVwXyZ"],
    "slack_token": ["xapp" + "-1-A0QWERTYUIO-9876543210987-" + "a1b2c3d4e5f60718" * 3],
    "stripe_key": ["rk_" + "live_" + "q7Rt9LmZpW4xK2vB8nYcDsEf"],
    "db_url": [
        "mongodb+srv" + "://app:tr0ub4dor-3@cluster0.acme.mongodb.net/x",
        "redis" + "://:tr0ub4dor-3@cache.acme.io",
        "postgresql+psycopg" + "://app:tr0ub4dor-3@10.0.0.7/x",
        "mysql" + "://app:tr0ub4dor-3@10.0.0.7/x",
        "amqps" + "://app:tr0ub4dor-3@mq.acme.io",
    ],
    "private_key": [
        "-----BEGIN " + "PRIVATE KEY-----\\n" + "MIIEpAIBAAKCAQEA7Rt9LmZp" * 3,
        "-----BEGIN " + "EC PRIVATE KEY-----\r\n" + "MIIEpAIBAAKCAQEA7Rt9LmZp" * 3,
        "-----BEGIN " + "OPENSSH PRIVATE KEY-----\n    " + "b3BlbnNzaC1rZXktdjEAAAAA" * 3,
        "-----BEGIN RSA PRIVATE {}-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,0F\n\n".format("KEY")
        + "MIIEpAIBAAKCAQEA7Rt9LmZp" * 3,
        "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----\n\n" + "lQOYBGQ7Rt9LmZpW4xK2vB8n" * 3,
    ],
}
EVERY = [*TOKENS.items(), *((rule, token) for rule in OTHERS for token in OTHERS[rule])]


def package(*files: File, **changes: Any) -> Candidate:
    return Candidate("ctxpkg", Kind.SKILL, "@acme/x", "1.0.0", b"", "", files=files, **changes)


def scan(*texts: str | bytes, **changes: Any) -> list[Finding]:
    files = [
        File(f"f{number}.md", text.encode() if isinstance(text, str) else text)
        for number, text in enumerate(texts)
    ]
    return list(secrets.check(package(*files, **changes), None))


def severities(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.rule.removeprefix("secrets/"), str(finding.severity)) for finding in found]


def test_there_are_twelve_detectors():
    assert len(TOKENS) == 12
    assert {detector.rule for detector in detectors.DETECTORS} == set(TOKENS)


@pytest.mark.parametrize(("rule", "token"), EVERY)
@pytest.mark.parametrize(
    "around", ["{}", "KEY={}\n", '"{}"', "`{}`", "export X='{}';", "see ({})", "Bearer {}, then"]
)
def test_a_token_is_refused_wherever_it_stands_and_never_repeated(rule, token, around):
    found = scan("# Title\n\n" + around.format(token))
    assert severities(found) == [(rule, "block")]
    assert found[0].place == "f0.md:3"
    assert found[0].message == f"{rule} in f0.md:3: {token[:4]}***"
    assert token[5:] not in repr(found)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("aws_key", "AKIAIOSFODNN7" + "EXAMPLE"),
        ("github_token", "ghp_" + "x" * 36),
        ("github_token", "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"),
        ("stripe_key", "sk_" + "live_" + "abc123def456ghi789jkl0"),
        ("openai_key", "sk-" + "proj-" + "your-key-here-your-key-here-your-key"),
        ("gitlab_pat", "glpat-" + "00000000000000000000"),
        ("private_key", "-----BEGIN RSA " + "PRIVATE KEY-----\n...\n"),
        ("private_key", "a file that starts with `-----BEGIN " + "PRIVATE KEY-----`"),
        ("jwt", jwt(sub="1234567890", name="John Doe")),
        ("jwt", jwt(iss="supabase-demo", role="anon")),
        ("jwt", "eyJhbGciOiJub3QganNvbiBhdCBhbGw.eyJhbGciOiJub3QganNvbiBhdCBhbGw." + "q7" * 20),
        ("db_url", "postgres" + "://app:tr0ub4dor-3@db:5432/app"),
    ],
)
def test_a_placeholder_or_a_published_demonstration_is_only_marked(rule, text):
    found = scan(text)
    assert severities(found) == [(rule, "warning")]
    assert "placeholder" in found[0].message


@pytest.mark.parametrize(
    "text",
    [
        "postgres://user:pass@db.acme.io/app",
        "postgres://postgres:postgres@db.acme.io/app",
        "postgresql://app:app@db.acme.io",
        "postgres://app:${DB_PASSWORD}@db.acme.io/app",
        "postgres://app:$PASSWORD@db.acme.io/app",
        "postgres://app:<password>@db.acme.io/app",
        "postgres://app:{password}@db.acme.io/app",
        "postgres://app:[PASSWORD]@db.acme.io/app",
        "postgres://app:tr0ub4dor-3@localhost:5432/app",
        "postgres://app:tr0ub4dor-3@127.0.0.1/app",
        "mongodb://app:tr0ub4dor-3@example.com/app",
        "redis://localhost:6379/0",
        "postgres://db.acme.io:5432/app?user=a@b.c",
        "AKIA" + "QWERTYUIOPASDFG",
        "AKIA" + "QWERTYUIOPASDFGHJ",
        "XAKIA" + "QWERTYUIOPASDFGH",
        "ghp_short",
        "the task-management-and-risk-assessment-for-disk-encryption",
        "sk-learn sk-ant-short npm_config_registry_and_more_words_that_go_on",
        "-----BEGIN " + "PUBLIC KEY-----\n" + "MIIEpAIBAAKCAQEA7Rt9LmZp" * 3,
        "-----BEGIN " + "CERTIFICATE-----\n" + "MIIEpAIBAAKCAQEA7Rt9LmZp" * 3,
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ...",
        "sk_test_" + "q7Rt9LmZpW4xK2vB8nYcDsEf",
        "",
    ],
)
def test_what_is_no_credential_is_not_mentioned(text):
    assert scan(text) == []


KEY = TOKENS["aws_key"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        (
            {"content": {"knowledge": {"facts": [{"value": f"use {KEY}"}]}}},
            "content.knowledge.facts[0].value",
        ),
        ({"content": {"graph": {"nodes": [["a", ["b", KEY]]]}}}, "content.graph.nodes[0][1][1]"),
        ({"content": {"note": f"first\nsecond {KEY}"}}, "content.note:2"),
        ({"content": {"graph": {KEY: 1}}}, "content.graph.key"),
        ({"manifest": {"description": KEY}}, "manifest.description"),
        ({"manifest": {"tags": ["a", KEY]}}, "manifest.tags[1]"),
        ({"description": KEY}, "description"),
    ],
)
def test_strings_of_manifest_and_content_are_looked_at(changes, place):
    (found,) = scan(**changes)
    assert (found.place, found.severity) == (place, Severity.BLOCK)


def test_file_names_addon_manifests_and_binary_modules_are_looked_at():
    toml = File("lean-ctx-addon.toml", f'[mcp.env]\nKEY = "{KEY}"\n'.encode())
    (found,) = secrets.check(package(toml), None)
    assert found.place == "lean-ctx-addon.toml:2"
    (found,) = secrets.check(package(File("m.wasm", b"\0asm\xff\xfe" + KEY.encode() + b"\0")), None)
    assert found.place == "m.wasm:1"
    (found,) = secrets.check(package(File(f"keys/{KEY}.txt", b"")), None)
    assert found.place == "file name"


def test_a_secret_in_a_file_name_or_key_is_not_repeated_as_the_place_of_another():
    file = File(f"keys/{KEY}.txt", TOKENS["github_token"].encode())
    content = {KEY: {"token": TOKENS["stripe_key"]}}
    found = list(secrets.check(package(file, content=content), None))
    assert {finding.rule for finding in found} == {
        "secrets/aws_key",
        "secrets/github_token",
        "secrets/stripe_key",
    }
    assert KEY[5:] not in repr(found)


def test_a_compressed_body_is_not_taken_for_text():
    blob = {"path": "a", "encoding": "zstd+base64", "body": KEY, "sha256": ""}
    assert scan(content={"documents": {"files": [blob]}}) == []
    (found,) = scan(content={"documents": {"files": [{**blob, "note": KEY}]}})
    assert found.place == "content.documents.files[0].note"


def test_two_strings_are_never_read_as_one():
    assert scan(content={"a": KEY[:10], "b": KEY[10:]}) == []
    assert scan(KEY[:10], KEY[10:]) == []


def test_one_value_is_reported_once_and_many_are_cut_off():
    assert len(scan(f"{KEY}\n" * 50, KEY)) == 1
    keys = [
        f"AKIA{number:016X}".replace("00", "QZ") for number in range(7 * 10**15, 7 * 10**15 + 90)
    ]
    assert len(scan("\n".join(keys))) == secrets.MAX_FINDINGS


def test_many_placeholders_hide_no_real_one():
    placeholders = [f"AKIAEXAMPLE{number:09}" for number in range(500)]
    found = scan("\n".join([*placeholders, KEY]))
    assert ("aws_key", "block") in severities(found)
    assert len(found) == secrets.MAX_FINDINGS + 1


@pytest.mark.parametrize(
    "unit", ["eyJ", "sk-", "-----BEGIN ", "redis://u:", "postgres://u:p@", "glpat-", KEY, "\0\n"]
)
def test_repeated_beginnings_are_scanned_in_linear_time(unit):
    assert len(scan((unit * 200_000)[:200_000])) <= 2


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from(sorted(TOKENS)))
def test_any_text_around_a_token_leaves_no_trace_of_it(text, rule):
    token = TOKENS[rule]
    assert token[5:40] not in repr(scan(f"{text} {token} {text}"))
    assert token not in secrets.redacted(f"{text} {token}")


PROVIDERS = {
    "ctxmcp.telegram-bot-token": "8311219656:" + "AAOrFJkFKdMAyYLgE-XoE-jbUOqX1Uw8jci",
    "ctxmcp.tailscale-key": "tskey-" + "auth-k7Vqx9CC9zaUCNTRL-csMbHi4taton2ubX08S0r6JGJK7KjgcD",
    "ctxmcp.resend-key": "re_" + "PEDSz3Q9_VMUFtN0NxSR9SRzZtfiiamh0",
    "ctxmcp.cursor-key": "key_27f3a093cb3a402efe80a1ea4619a12c2c857c2065cc9439fd94b3b6fecf8d2d",
    "ctxmcp.docker-token": "dckr_" + "pat_k7Vqx9CC9zaUCNTRLcsMbHi4tat",
    "ctxmcp.stripe-webhook": "whsec_" + "k7Vqx9CC9zaUCNTRLcsMbHi4tat0nub2",
    "ctxmcp.notion-token": "ntn_" + "k7Vqx9CC9zaUCNTRLcsMbHi4tat0nub2X08S0r6JGJK7Kj",
    "ctxmcp.supabase-secret": "sb_" + "secret_k7Vqx9CC9zaUCNTRLcsMbH_i4tat0nu",
    "ctxmcp.hubspot-token": "pat-" + "na1-27f3a093-cb3a-402e-ae80-a1ea4619a12c",
    "ctxmcp.langfuse-secret": "sk-lf-" + "27f3a093-cb3a-402e-ae80-a1ea4619a12c",
    "ctxmcp.contentful-token": "CFPAT-" + "k7Vqx9CC9zaUCNTRLcsMbHi4tat0nub2X08S0r6JGJK",
    "ctxmcp.mailchimp-key": "27f3a093cb3a402efe80a1ea4619a12c" + "-us12",
    "ctxmcp.e2b-key": "e2b_" + "27f3a093cb3a402efe80a1ea4619a12c2c857c20",
}


@pytest.mark.skipif(not kingfisher.engine(), reason="the scanner is not installed")
@pytest.mark.parametrize("token", PROVIDERS.values(), ids=PROVIDERS)
@pytest.mark.parametrize("around", ["KEY={}\n", "use `{}` here", '{{"k": "{}"}}', "Bearer {} "])
def test_formats_of_providers_that_the_scanner_does_not_know_are_refused(token, around):
    coded = base64.b64encode(f"TOKEN={token}\n".encode()).decode()
    for text in (around.format(token), f"payload: {coded}\n"):
        found = scan(f"# Title\n\n{text}")
        assert found
        assert {f.severity for f in found} == {Severity.BLOCK}
        assert {f.place for f in found} == {"f0.md:3"}
        assert token[5:] not in repr(found)


@pytest.mark.skipif(not kingfisher.engine(), reason="the scanner is not installed")
def test_a_comment_that_asks_to_ignore_a_secret_is_not_obeyed():
    token = PROVIDERS["ctxmcp.docker-token"]
    for comment in ("kingfisher:ignore", "gitleaks:allow", "betterleaks:allow", "nosec"):
        (found,) = scan(f"KEY={token}  # {comment}")
        assert found.severity is Severity.BLOCK


@pytest.mark.skipif(not kingfisher.engine(), reason="the scanner is not installed")
def test_a_rule_that_knows_no_provider_only_marks():
    found = scan('curl -u "admin:kT9vQ2mLx8Rp4Wz7" https://internal.acme.io/v1/items\n')
    assert {finding.severity for finding in found} == {Severity.WARNING}


def test_without_the_scanner_the_detectors_look_alone_and_the_report_says_so(monkeypatch):
    monkeypatch.setattr(kingfisher, "engine", lambda: None)
    assert secrets.rules() == f"detectors {detectors.VERSION} only"
    assert severities(scan(f"KEY={TOKENS['github_token']}")) == [("github_token", "block")]
    assert scan(PROVIDERS["ctxmcp.resend-key"]) == []


@pytest.mark.skipif(not kingfisher.engine(), reason="the scanner is not installed")
def test_a_package_whose_scan_does_not_end_in_time_is_refused(monkeypatch):
    monkeypatch.setattr(kingfisher, "MOST_SECONDS", 1e-9)
    assert severities(scan("a line of text\n" * 1000)) == [("unfinished", "block")]
