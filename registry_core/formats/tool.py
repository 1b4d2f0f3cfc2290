"""Tools of patch-cat: one Python file whose manifest is YAML in comments at its top.

    # ---
    # name: word_count
    # version: 1.0.0
    # description: Count the words of a text.
    # inputs: [{name: text, type: string, description: The text to count.}]
    # outputs: {type: integer}
    # capabilities: {network: false}
    # runtime: {language: python}
    # ---

The first two lines that trim to `# ---` are the fence; between them each line loses `# ` or a
lone `#`. The source is kept byte for byte and never executed. `validate` decides as the original
registry does, but for aliases and explicit tags other than `!!str`, which are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from registry_core.errors import InvalidPackage, TooLarge
from registry_core.formats import MAX_FILE, Candidate, File, Powers, yaml
from registry_core.formats.shapes import (
    REQUIRED,
    Anything,
    Choice,
    Field,
    Flag,
    Items,
    Only,
    Record,
    Text,
    checked,
)
from registry_core.names import Kind, shown

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_SCOPE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_SCOPE_WORDS = "external_auth scopes must be '<provider>.<scope>' in snake_case"
_BLANKS = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript trims; Python's own `strip` knows no byte order mark."""


def _browser_has_network(capabilities: Mapping[str, Any]) -> str:
    if capabilities["browser"] and not capabilities["network"]:
        return "capabilities.browser: capabilities.browser requires capabilities.network: true"
    return ""


_NO = Field(Flag(), default=False)
_TYPES = Choice(("string", "number", "integer", "boolean", "array", "object"))
_INPUT = Record(
    {
        "name": Field(Text(), REQUIRED),
        "type": Field(_TYPES, REQUIRED),
        "description": Field(Text(1), REQUIRED),
        "required": Field(Flag(), default=True),
        "default": Field(Anything()),
        "tainted_ok": _NO,
        "items": Field(Record({"type": Field(Text(), REQUIRED)})),
    }
)
_TOOL = Record(
    {
        "name": Field(
            Text(
                patterns=(
                    (_NAME, "Tool name must be snake_case starting with a lowercase letter."),
                )
            ),
            REQUIRED,
        ),
        "version": Field(Text(patterns=((_VERSION, "Version must be semver (x.y.z)."),)), REQUIRED),
        "description": Field(Text(1), REQUIRED),
        "inputs": Field(Items(_INPUT), default=[]),
        "outputs": Field(
            Record(
                {
                    "type": Field(Text(), REQUIRED),
                    "description": Field(Text()),
                    "items": Field(Anything()),
                }
            ),
            REQUIRED,
        ),
        "capabilities": Field(
            Record(
                {
                    "network": _NO,
                    "filesystem": Field(Choice(("none", "read-only", "read-write")), "none"),
                    "human_confirm": _NO,
                    "browser": _NO,
                },
                _browser_has_network,
            ),
            REQUIRED,
        ),
        "runtime": Field(
            Record(
                {
                    "language": Field(Only("python"), REQUIRED),
                    "python_version": Field(Text(), "3.12"),
                    "packages": Field(Items(Text()), default=[]),
                }
            ),
            REQUIRED,
        ),
        "external_auth": Field(Items(Text(patterns=((_SCOPE, _SCOPE_WORDS),))), default=[]),
        "generated_by": Field(Text()),
        "generated_at": Field(Text()),
    }
)


def validate(manifest: Any) -> tuple[str, ...]:
    """Return what is wrong with a manifest as `path: message`; nothing where it may enter."""
    faults = checked(_TOOL, manifest)[1]
    return faults if isinstance(manifest, dict) else tuple(f"(root): {fault}" for fault in faults)


def complete(manifest: Any) -> dict[str, Any]:
    """Return a valid manifest with its defaults filled in and unknown keys dropped."""
    if faults := validate(manifest):
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InvalidPackage(faults[0] + more, place="manifest")
    found: dict[str, Any] = checked(_TOOL, manifest)[0]
    return found


def manifest_of(source: str) -> dict[str, Any]:
    """Return the manifest in a tool's source, checked and complete."""
    text, line = _fenced(source)
    return complete(yaml.typed(text, place="manifest", line=line))


def read(data: bytes, filename: str = "") -> Candidate:
    """Read a tool from its source; `filename`, where known, is expected to be `<name>.py`."""
    if len(data) > MAX_FILE:
        raise TooLarge(f"a tool is at most {MAX_FILE} bytes, not {len(data)}")
    try:
        source = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidPackage("the source is not UTF-8") from error
    manifest = manifest_of(source)
    path = f"{manifest['name']}.py"
    return Candidate(
        format="tool",
        kind=Kind.TOOL,
        name=manifest["name"],
        version=manifest["version"],
        artifact=data,
        media_type="text/x-python",
        description=manifest["description"],
        files=(File(path, data),),
        powers=_powers(manifest),
        manifest=manifest,
        notes=(f"the file is called {shown(filename)}, not {path}",)
        if filename not in {"", path}
        else (),
    )


def powers(files: Sequence[File]) -> Powers:
    """Read what the tools among these files ask for. Raises InvalidPackage where one is none."""
    scripts = [file for file in files if file.path.endswith(".py")]
    return read(scripts[0].data).powers if scripts else Powers()


def _fenced(source: str) -> tuple[str, int]:
    """Return the YAML between the fences, and the number of its first line."""
    lines = source.replace("\r\n", "\n").split("\n")
    fences = [number for number, line in enumerate(lines) if line.strip(_BLANKS) == "# ---"][:2]
    if not fences:
        raise InvalidPackage("there is no `# ---` that opens the manifest")
    if len(fences) == 1:
        raise InvalidPackage("there is no `# ---` that closes the manifest")
    first, last = fences
    return "\n".join(re.sub("^# ?", "", line) for line in lines[first + 1 : last]), first + 2


def _powers(manifest: Mapping[str, Any]) -> Powers:
    capabilities = manifest["capabilities"]
    commands = ["browser"] if capabilities["browser"] else []
    commands += [f"pip install {package}" for package in manifest["runtime"]["packages"]]
    return Powers(
        network=("*",) if capabilities["network"] else (),
        commands=tuple(commands),
        filesystem={"none": "", "read-only": "read"}.get(capabilities["filesystem"], "write"),
        environment=tuple(manifest["external_auth"]),
    )
