# ---
# name: json_outline
# version: 1.0.0
# description: Outline a large JSON text by keys, types and lengths before reading its values.
# inputs:
#   - name: text
#     type: string
#     description: The JSON text.
#     tainted_ok: true
#   - name: depth
#     type: integer
#     description: How many levels of nesting to show.
#     required: false
#     default: 3
# outputs:
#   type: string
#   description: One line for each key, indented by its level.
# capabilities:
#   network: false
#   filesystem: none
# runtime:
#   language: python
#   python_version: "3.11"
#   packages: []
# ---
"""Outline a JSON text: its keys, types and lengths, without the values."""

import json
import sys


def main(text: str, depth: int = 3) -> str:
    """Return the outline of `text`, `depth` levels deep."""
    return _outline("(root)", json.loads(text), 0, depth)


def _outline(key: str, value: object, level: int, depth: int) -> str:
    line = f"{'  ' * level}{key}: {_type(value)}"
    if level >= depth:
        return line
    for name, child in _children(value):
        line += "\n" + _outline(name, child, level + 1, depth)
    return line


def _children(value: object) -> list[tuple[str, object]]:
    """Return what is inside; of an array the first element stands for all."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list) and value:
        return [("[0]", value[0])]
    return []


def _type(value: object) -> str:
    """Return the JSON type of `value`, and how much is in it."""
    if isinstance(value, dict | list | str):
        return f"{_NAMES[type(value)]} of {len(value)}"
    return _NAMES[type(value)]


_NAMES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(**json.loads(sys.stdin.read()))) + "\n")
