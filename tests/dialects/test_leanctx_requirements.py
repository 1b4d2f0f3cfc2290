"""Every requirement of the document is shown by a test, and every claim of a test is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialects.requirements import REQUIREMENTS, SOURCE, claimed, plain, rows


def test_every_requirement_is_claimed_by_a_test():
    assert set(REQUIREMENTS) - {requirement for requirement, _ in claimed()} == set()


def test_every_claim_is_a_requirement():
    assert [(what, where) for what, where in claimed() if what not in REQUIREMENTS] == []


@pytest.fixture(scope="module")
def document(shared: Path) -> str:
    return plain((shared / SOURCE).read_text())


def test_every_requirement_is_in_the_document(document: str):
    assert [name for name, words in REQUIREMENTS.items() if words not in document] == []


def test_every_row_of_the_document_is_a_requirement(document: str):
    found = list(rows(document))
    assert len(found) > 40
    assert [row for row in found if not any(word in row for word in REQUIREMENTS.values())] == []
