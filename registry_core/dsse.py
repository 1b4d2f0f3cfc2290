"""DSSE envelopes, version 1: a payload, its type, and signatures over both.

    { "payload": base64 of the bytes, "payloadType": "application/..",
      "signatures": [ { "keyid": "..", "sig": base64 } ] }

A signature is over the pre-authentication encoding, so that nothing has to be parsed before it is
verified, and a payload of one type is never taken for another:

    PAE = "DSSEv1" SP length(type) SP type SP length(payload) SP payload

Keys are Ed25519, and in what is written here `keyid` is the public key itself in lowercase hex, so
an envelope can be checked with nothing else at hand. Whose key it is, is not said here; and where
the keys to trust are known, `keyid` is a hint that nobody needs (`signers_among`).

>>> pae("http://example.com/HelloWorld", b"hello world")
b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'

`read` takes the base64 alphabets of RFC 4648 sections 4 and 5, padded and canonical; members it
does not know are ignored, as the protocol wants it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from registry_core.errors import InvalidPackage, TooLarge
from registry_core.names import shown
from registry_core.signing import SigningKey, is_valid

MAX_PAYLOAD = 1024 * 1024
MAX_SIGNATURES = 8
_MAX_SIGNATURE = 1024

_MAX_TYPE = 256
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an envelope, whether or not it holds."""

    keyid: str
    value: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload and what was signed under it."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @cached_property
    def signers(self) -> frozenset[str]:
        """The public keys that are named as a key id and whose signature holds."""
        return frozenset(s.keyid for s in self.signatures if self._is_by(s, s.keyid))

    @property
    def unproven(self) -> tuple[str, ...]:
        """The key ids whose signature does not hold, or is of no kind known here."""
        return tuple(s.keyid for s in self.signatures if s.keyid not in self.signers)

    def signers_among(self, keys: Iterable[str]) -> frozenset[str]:
        """Return those of the public keys that signed, whatever the key ids say."""
        return frozenset(k for k in keys if any(self._is_by(s, k) for s in self.signatures))

    def _is_by(self, signature: Signature, key: str) -> bool:
        if not _KEY.fullmatch(key):
            return False
        return is_valid(signature.value.hex(), pae(self.payload_type, self.payload), key)

    def as_json(self) -> dict[str, Any]:
        """Shape the envelope as it travels."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [
                {"keyid": s.keyid, "sig": base64.b64encode(s.value).decode()}
                for s in self.signatures
            ],
        }


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return what a signature is over."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def sign(payload_type: str, payload: bytes, keys: Sequence[SigningKey]) -> Envelope:
    """Sign a payload with one key or several."""
    if len(payload) > MAX_PAYLOAD:
        raise TooLarge(f"a signed payload has at most {MAX_PAYLOAD:,} bytes, not {len(payload):,}")
    message = pae(payload_type, payload)
    signatures = tuple(Signature(k.public_key, bytes.fromhex(k.sign(message))) for k in keys)
    return Envelope(payload_type, payload, signatures)


def read(value: Any, place: str = "envelope") -> Envelope:
    """Read an envelope from parsed JSON. Raises InvalidPackage, TooLarge; verifies nothing."""
    if not isinstance(value, Mapping):
        raise InvalidPackage("must be an object", place=place)
    payload_type = _text(value, "payloadType", place)
    if not 1 <= len(payload_type) <= _MAX_TYPE or not payload_type.isprintable():
        raise InvalidPackage(f"{shown(payload_type)} is no type", place=f"{place}.payloadType")
    payload = _base64(value, "payload", place, MAX_PAYLOAD)
    return Envelope(payload_type, payload, tuple(_signatures(value, f"{place}.signatures")))


def _signatures(value: Mapping[str, Any], place: str) -> list[Signature]:
    found = value.get("signatures")
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_SIGNATURES:
        raise InvalidPackage(f"must be an array of 1 to {MAX_SIGNATURES} objects", place=place)
    signatures = [_signature(item, f"{place}[{index}]") for index, item in enumerate(found)]
    named = [signature.keyid for signature in signatures if signature.keyid]
    if len(set(named)) != len(named):
        raise InvalidPackage("one key stands twice", place=place)
    return signatures


def _signature(item: Any, place: str) -> Signature:
    if not isinstance(item, Mapping):
        raise InvalidPackage("must be an object", place=place)
    keyid = _text(item, "keyid", place) if "keyid" in item else ""
    if len(keyid) > 256:
        raise InvalidPackage("is longer than 256 characters", place=f"{place}.keyid")
    return Signature(keyid, _base64(item, "sig", place, _MAX_SIGNATURE))


def _text(value: Mapping[str, Any], member: str, place: str) -> str:
    found = value.get(member)
    if not isinstance(found, str):
        raise InvalidPackage("must be a string", place=f"{place}.{member}")
    return found


def _base64(value: Mapping[str, Any], member: str, place: str, most: int) -> bytes:
    text, where = _text(value, member, place), f"{place}.{member}"
    if len(text) > (most + 2) // 3 * 4:
        raise TooLarge(f"{where}: more than {most:,} bytes")
    for altchars in (b"+/", b"-_"):
        try:
            data = base64.b64decode(text, altchars, validate=True)
        except ValueError:
            continue
        # Python accepts stray bits behind the last byte, and what is not padding.
        if base64.b64encode(data, altchars).decode() == text:
            return data
    raise InvalidPackage("is not canonical base64", place=where)
