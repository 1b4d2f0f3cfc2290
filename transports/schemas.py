"""Parts of JSON Schema that the descriptions of foreign APIs are made of."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
NULLABLE: Schema = {"type": ["string", "null"]}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MOMENT: Schema = {"type": "string", "format": "date-time"}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
BYTES: Schema = {"type": "string", "format": "binary"}


def whole(**properties: Schema) -> Schema:
    """Describe an object that has all of these members."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def some(needed: Schema, **optional: Schema) -> Schema:
    """Add members that an object may have."""
    return needed | {"properties": needed["properties"] | optional}


def array(of: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": of}


def ref(name: str) -> Schema:
    """Point to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXTS = array(STRING)
