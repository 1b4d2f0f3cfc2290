"""`ctxmcp serve` towards others: who is let in, by which name, and within which limits."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
from shell import Shell

from ctxmcp import settings
from registry_core.errors import Invalid
from transports.limits import Limits

ROOT = Path(__file__).parents[2]
CALL = {"name": "search", "arguments": {}}


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell.at(tmp_path, monkeypatch, capsys)


@contextmanager
def served(folder: Path, *options: str, **variables: str) -> Iterator[str]:
    """Serve in a process of its own; give the port."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CTX")}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ctxmcp",
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(folder),
            *options,
        ],
        cwd=ROOT,
        env=clean | variables,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        yield re.search(r":(\d+) ", process.stderr.readline())[1]  # type: ignore[index]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=150)
        assert process.returncode == 0


def call(port: str, host: str = "127.0.0.1", **headers: str) -> httpx.Response:
    url = f"http://127.0.0.1:{port}/v1/tools/call"
    return httpx.post(url, json=CALL, headers={"host": f"{host}:{port}", **headers})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "not-this-machine"])
def test_other_machines_are_not_let_in_before_there_is_a_token(shell: Shell, host: str) -> None:
    said = shell("serve", "--host", host, "--port", "0")
    assert said.code == 2
    assert "there is no token" in said.err
    assert "ctxmcp token create" in said.err
    assert said.out == ""


def test_a_revoked_token_is_no_token(shell: Shell) -> None:
    made = shell("token", "create", "--role", "member", "--name", "x", "--json").json
    shell("token", "revoke", made["id"])
    assert shell("serve", "--host", "0.0.0.0", "--port", "0").code == 2


@pytest.mark.parametrize("name", ["http://registry.example", "a b", "", "x:y"])
def test_an_allowed_host_that_is_no_name_is_refused(shell: Shell, name: str) -> None:
    said = shell("serve", "--allowed-host", name, "--port", "0")
    assert said.code == 2
    assert "is no host name" in said.err


def test_a_server_for_others_wants_a_token_and_its_own_name(shell: Shell) -> None:
    token = shell("token", "create", "--role", "member", "--name", "x", "--json").json["token"]
    data = settings.read().data_dir
    bearing = {"authorization": f"Bearer {token}"}
    with served(data, "--host", "0.0.0.0", "--allowed-host", "Registry.Example") as port:
        assert call(port, "registry.example").status_code == 401
        assert call(port, "registry.example", **bearing).status_code == 200
        assert call(port, **bearing).json()["error_code"] == "host_denied"


def test_a_shared_machine_can_ask_everybody_for_a_token(tmp_path: Path) -> None:
    with served(tmp_path, "--require-token") as port:
        assert call(port).status_code == 401
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/index.json").status_code == 200
    with served(tmp_path) as port:
        assert call(port).status_code == 200


def test_the_address_that_clients_are_given_is_answered_to(tmp_path: Path) -> None:
    with served(tmp_path, CTXMCP_BASE_URL="https://registry.example/base") as port:
        answered = call(port, "registry.example")
        assert answered.status_code == 401  # by that name nobody is at this machine
        assert call(port, "other.example").status_code == 400


def test_the_environment_says_the_limits(tmp_path: Path) -> None:
    with served(tmp_path, CTXMCP_BURST="1", CTXMCP_REQUESTS_PER_SECOND="0.01") as port:
        first, second = call(port), call(port)
    assert first.headers["x-ratelimit-limit"] == "1"
    assert (second.status_code, second.json()["error_code"]) == (429, "rate_limited")


def test_every_limit_has_a_variable_that_the_documentation_names() -> None:
    assert set(settings._LIMITS.values()) == {field.name for field in fields(Limits)}
    assert settings.__doc__
    for name in settings._LIMITS:
        assert re.search(rf"^    {name} +\w", settings.__doc__, re.MULTILINE), name


def test_limits_are_read_and_else_have_their_defaults() -> None:
    given = dict.fromkeys(settings._LIMITS, "7")
    assert settings.limits(given) == Limits(*[7] * len(given))
    assert settings.limits({}) == settings.limits(dict.fromkeys(given, "")) == Limits()
    assert settings.limits({"CTXMCP_TIMEOUT": "0.5"}).timeout == 0.5


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "nan", "inf", "1e12", " "])
def test_a_limit_that_is_no_number_is_refused_by_name(value: str) -> None:
    with pytest.raises(Invalid, match="CTXMCP_BURST is"):
        settings.limits({"CTXMCP_BURST": value})


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-0.1"])
def test_seconds_have_to_be_some(value: str) -> None:
    with pytest.raises(Invalid, match="CTXMCP_TIMEOUT is"):
        settings.limits({"CTXMCP_TIMEOUT": value})


def test_a_wrong_limit_stops_the_server_and_nothing_else(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTXMCP_BURST", "many")
    assert shell("search", "x").code == 0
    said = shell("serve", "--port", "0")
    assert said.code == 2
    assert "CTXMCP_BURST" in said.err
