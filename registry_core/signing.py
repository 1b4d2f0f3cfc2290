"""Ed25519 keys and signatures. The only importer of PyNaCl.

Keys travel as lowercase hex: 64 characters for a seed or a public key, 128 for a signature.
Verification is libsodium's: strict about small-order points and non-canonical encodings, so one
message has no second valid signature under one key.
"""

from __future__ import annotations

import secrets

from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey as _SigningKey
from nacl.signing import VerifyKey

from registry_core.errors import Invalid

SEED_BYTES = 32
SIGNATURE_BYTES = 64


class SigningKey:
    """A private key; its `repr` never shows the seed."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise Invalid(f"a signing key is {SEED_BYTES} bytes, this has {len(seed)}")
        self._key = _SigningKey(seed)

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new key from the system's randomness."""
        return cls(secrets.token_bytes(SEED_BYTES))

    @classmethod
    def from_hex(cls, text: str) -> SigningKey:
        """Read 64 hex characters, the form key files have."""
        try:
            return cls(bytes.fromhex(text.strip()))
        except ValueError as error:
            raise Invalid(
                "a signing key file holds 64 hex characters", hint="Make one with `ctxmcp keygen`."
            ) from error

    def to_hex(self) -> str:
        """Write the seed: for a key file with mode 0600, and nowhere else."""
        return self._key.encode().hex()

    @property
    def public_key(self) -> str:
        """The public half, 64 hex characters."""
        return self._key.verify_key.encode().hex()

    def sign(self, message: bytes) -> str:
        """Sign `message`; 128 hex characters."""
        return self._key.sign(message).signature.hex()

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key!r})"


def is_valid(signature: str, message: bytes, public_key: str) -> bool:
    """Tell whether `signature` is `public_key`'s over `message`. Malformed hex is simply not."""
    try:
        raw = bytes.fromhex(signature)
        if len(raw) != SIGNATURE_BYTES:
            return False
        VerifyKey(bytes.fromhex(public_key)).verify(message, raw)
    except (ValueError, TypeError, BadSignatureError, CryptoError):
        return False
    return True
