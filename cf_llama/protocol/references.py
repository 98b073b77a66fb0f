"""References within a JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"}
)
"""Keywords that say something of a value and admit every one."""


def target_of(reference: object, root: Any) -> Any:
    """The schema that a reference such as `#/$defs/Town` points to.

    A reference out of the document, or to nothing, admits any value.
    """
    if not isinstance(reference, str) or not reference.startswith("#"):
        return {}
    found = root
    for part in reference[1:].split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    return {} if found is None or (found is root and reference != "#") else found


def with_root_title(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with its title and description at its root, where pydantic has a reference if the type holds itself."""
    target = target_of(schema["$ref"], schema) if "$ref" in schema else {}
    return {**{key: target[key] for key in ("title", "description") if key in target}, **schema}
