"""The least body that an operation accepts, made from its OpenAPI schema."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

FORMATS: dict[str, Callable[[], str]] = {
    "uuid": lambda: str(uuid.uuid4()),
    "date-time": lambda: "2026-12-01T09:00:00+08:00",
    "date": lambda: "2026-12-01",
    "uri": lambda: "https://example.cn/",
}


def least(document: Mapping[str, Any], schema: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """Returns a value of `schema`; a property whose name is in `given` has that value.

    Raises NotImplementedError for a schema it does not know: then it is to be taught.
    """
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "object":
        properties = schema.get("properties", {})
        wanted = [name for name in properties if name in given or name in schema.get("required", ())]
        return {name: given.get(name) or least(document, properties[name], given) for name in wanted}
    if kind == "array":
        return [least(document, schema["items"], given) for _ in range(schema.get("minItems", 0))]
    if kind == "integer":
        return schema.get("minimum", 1)
    if kind == "boolean":
        return False
    if kind == "string":
        plain = "一" * schema.get("minLength", 1)
        return FORMATS[schema["format"]]() if "format" in schema else plain
    raise NotImplementedError(f"no value for {schema}")


def body_of(document: Mapping[str, Any], path: str, method: str, given: Mapping[str, Any]) -> Any:
    """Returns the least body of an operation, None for one that takes no JSON."""
    content = document["paths"][path][method].get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    return least(document, content["application/json"]["schema"], given)


def takes_a_file(document: Mapping[str, Any], path: str, method: str) -> bool:
    """Returns whether an operation takes a file, as the field `file` of a form."""
    content = document["paths"][path][method].get("requestBody", {}).get("content", {})
    return "multipart/form-data" in content
