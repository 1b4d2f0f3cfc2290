"""The attestation of a release: what its publisher states of the whole of it, under one signature.

A DSSE envelope (`registry_core.dsse`) of the type below; in a `.ctxpkg` it is the top-level member
`attestation`, which other readers ignore. Its payload is canonical JSON:

    { "name": "@acme/x", "version": "1.0.0", "kind": "skill", "description": "..",
      "visibility": "public",
      "files": [ { "path": "..", "size": 1, "sha256": "..", "executable": false } ],   by path
      "dependencies": [ { "name": "..", "requirement": "..", "optional": false } ],
      "powers": { "network": [], "commands": [], "filesystem": "", "environment": [],
                  "hooks": [], "mcp_servers": [] },
      "manifest": SHA-256 of the manifest's text without the white space outside its strings,
      "key": the public key that signs this and the package,
      "prev": SHA-256 of the artifact of the version before, where the packer knows it,
      "next": commitment to the key that follows this one, where there is one,
      "recovery": commitment to a key that may replace the others, where there is one }

A commitment is the SHA-256 of a public key's 32 bytes: it says nothing of the key until the key is
used. All digests and keys are lowercase hex. The first nine members are recomputed from the bytes;
the last four only the publisher can say (`Pledge` has three of them).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from registry_core import canonical, dsse
from registry_core.errors import Invalid, InvalidPackage
from registry_core.formats import Attestation, Candidate, strict_json
from registry_core.signing import SigningKey

PAYLOAD_TYPE = "application/vnd.ctxmcp.manifest+json"
MEMBER = "attestation"
"""Of a `.ctxpkg`."""


@dataclass(frozen=True, slots=True)
class Pledge:
    """What no bytes tell: the version before, and commitments to keys; "" where there is none."""

    prev: str = ""
    next: str = ""
    recovery: str = ""


NOTHING = Pledge()


def commitment(public_key: str) -> str:
    """Commit to a public key, without telling it."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()


def facts(candidate: Candidate, manifest: str) -> dict[str, Any]:
    """Return what the bytes of a release make of it; `manifest` is its compacted text."""
    ordered = sorted(candidate.files, key=lambda file: file.path)
    return {
        "name": candidate.name,
        "version": candidate.version,
        "kind": str(candidate.kind),
        "description": candidate.description,
        "visibility": str(candidate.visibility),
        "files": [f.row for f in ordered],
        "dependencies": [asdict(dependency) for dependency in candidate.dependencies],
        "powers": {name: _plain(value) for name, value in asdict(candidate.powers).items()},
        "manifest": hashlib.sha256(manifest.encode()).hexdigest(),
    }


def _plain(power: str | tuple[str, ...]) -> str | list[str]:
    return power if isinstance(power, str) else list(power)


def sign(found: Mapping[str, Any], pledge: Pledge, key: SigningKey) -> dsse.Envelope:
    """State what was found of a release, and what is pledged with it."""
    pledged = {name: value for name, value in asdict(pledge).items() if value}
    payload = canonical.encode({**found, "key": key.public_key, **pledged})
    return dsse.sign(PAYLOAD_TYPE, payload, [key])


def read(value: Any, found: Mapping[str, Any]) -> Attestation | None:
    """Read the member of a package beside what was found; None for an envelope of another type.

    Raises InvalidPackage, TooLarge. Whether it is true is for `verification.attestation`.
    """
    envelope = dsse.read(value, MEMBER)
    if envelope.payload_type != PAYLOAD_TYPE:
        return None
    try:
        stated = strict_json.read(envelope.payload, max_bytes=dsse.MAX_PAYLOAD).members
    except InvalidPackage as error:
        raise InvalidPackage(str(error), place=f"{MEMBER}.payload") from None
    return Attestation(envelope, stated, found, is_canonical=_is_canonical(envelope, stated))


def _is_canonical(envelope: dsse.Envelope, stated: Mapping[str, Any]) -> bool:
    try:
        return canonical.encode(stated) == envelope.payload
    except Invalid:
        return False
