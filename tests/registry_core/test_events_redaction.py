"""What is shown of an event, to whom."""

from __future__ import annotations

from typing import Any

import pytest

from registry_core.callers import OWNER, Caller, Scope
from registry_core.events import Event
from registry_core.events.kinds import EventKind
from registry_core.events.redaction import (
    CONTENTS,
    Detail,
    exists_for,
    readable_namespaces,
    redacted,
    words,
)

READER = Caller("r", frozenset({Scope.READ}), frozenset({"acme"}))
WATCHER = Caller("w", frozenset({Scope.EVENTS}))


def of(kind: EventKind, /, **payload: Any) -> Event:
    return Event(kind, "somebody", payload)


def test_refs_alone_keep_what_the_contract_names() -> None:
    refs = {
        "tool": "ctx_read",
        "kind": "k",
        "event_kind": "e",
        "workspace_id": "w",
        "channel_id": "c",
        "id": 7,
    }
    event = of(EventKind.TOOL_CALL_RECORDED, **refs, path="src", name="x", version="1", key="k")
    assert redacted(event, Detail.REFS_ONLY) == {**refs, "redacted": True}


def test_refs_of_the_registry_keep_its_public_facts() -> None:
    event = of(EventKind.PACKAGE_YANKED, name="@a/b", version="1.0.0", reason="leaks x")
    assert redacted(event, Detail.REFS_ONLY) == {
        "name": "@a/b",
        "version": "1.0.0",
        "redacted": True,
    }
    token = of(EventKind.TOKEN_MINTED, token_id="t", scopes=["read"], label="mine")
    assert redacted(token, Detail.REFS_ONLY) == {"token_id": "t", "redacted": True}


def test_what_is_no_ref_by_its_shape_is_not_kept_under_a_refs_name() -> None:
    for hidden in ({"deep": "secret"}, ["secret"], "s" * 300, None, 1.5):
        shown = redacted(of(EventKind.TOOL_CALL_RECORDED, tool=hidden), Detail.REFS_ONLY)
        assert shown == {"redacted": True}


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_a_summary_hides_contents_at_any_depth(name: str) -> None:
    event = of(
        EventKind.KNOWLEDGE_REMEMBERED,
        key="auth",
        **{name: "secret"},
        deep=[{"more": {name: ["secret"]}}],
    )
    shown = redacted(event, Detail.SUMMARY)
    assert shown == {
        "key": "auth",
        name: "[redacted]",
        "deep": [{"more": {name: "[redacted]"}}],
    }
    assert "secret" not in words(event, Detail.SUMMARY)
    assert "secret" in words(event, Detail.FULL)


def test_a_payload_without_end_is_cut() -> None:
    deep: Any = "secret"
    for _ in range(900):
        deep = {"x": deep}
    event = of(EventKind.PROOF_ADDED, x=deep)
    assert "secret" not in str(redacted(event, Detail.SUMMARY))
    assert "secret" in words(event, Detail.FULL)


def test_a_private_event_exists_for_its_namespace_alone() -> None:
    assert exists_for(READER, private=True, namespace="acme")
    assert exists_for(OWNER, private=True, namespace=None)
    assert exists_for(WATCHER, private=False, namespace="acme")
    assert not exists_for(READER, private=True, namespace="other")
    assert not exists_for(READER, private=True, namespace=None)
    assert not exists_for(WATCHER, private=True, namespace="acme")
    assert readable_namespaces(OWNER) is None
    assert readable_namespaces(READER) == {"acme"}
    assert readable_namespaces(WATCHER) == frozenset()


def test_every_kind_has_a_word_for_how_soon_readers_agree() -> None:
    contract = {
        "tool_call_recorded": "local",
        "session_mutated": "strong",
        "knowledge_remembered": "eventual",
        "artifact_stored": "eventual",
        "graph_built": "local",
        "proof_added": "strong",
    }
    assert {kind: EventKind(kind).consistency for kind in contract} == contract
    assert {kind.consistency for kind in EventKind} == {"local", "eventual", "strong"}
