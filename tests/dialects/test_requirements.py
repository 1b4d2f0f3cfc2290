"""Every requirement of a document is shown by a test, and every claim of a test is one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from dialects import (
    requirements,
    requirements_agentx,
    requirements_csreg,
    requirements_ctxpkg,
    requirements_patchcat,
)
from dialects.requirements import claimed, plain

DOCUMENTS = (
    requirements,
    requirements_agentx,
    requirements_patchcat,
    requirements_csreg,
    requirements_ctxpkg,
)
ALL = {name for document in DOCUMENTS for name in document.REQUIREMENTS}


def test_every_requirement_is_claimed_by_a_test():
    assert ALL - {requirement for requirement, _ in claimed()} == set()


def test_every_claim_is_a_requirement():
    assert [(what, where) for what, where in claimed() if what not in ALL] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_every_requirement_is_in_the_document(document: ModuleType, shared: Path):
    text = plain((shared / document.SOURCE).read_text())
    assert [name for name, words in document.REQUIREMENTS.items() if words not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_every_row_of_the_document_is_a_requirement(document: ModuleType, shared: Path):
    found = list(document.rows(plain((shared / document.SOURCE).read_text())))
    assert len(found) > 20
    words = document.REQUIREMENTS.values()
    assert [row for row in found if not any(word in row for word in words)] == []
