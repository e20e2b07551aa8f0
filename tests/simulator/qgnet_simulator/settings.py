# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that control calls send: dataclasses whose annotations say what each field takes."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")
HttpStatus = Annotated[int, range(200, 600)]
Port = Annotated[int, range(65536)]
HIGHEST: dict[type, float] = {int: 10**6, float: 3.2e9}
"""The highest number that counts things, and a hundred years in seconds: later dates cannot be
formatted.
"""
SCHEMA_TYPES: dict[Any, str] = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    NoneType: "null",
}


class SettingError(ValueError):
    """A control call names something that does not exist, or has a value that is not allowed."""


@functools.cache
def hints(settings: type[Any]) -> dict[str, Any]:
    """Return what each field of a dataclass takes."""
    types = get_type_hints(settings, include_extras=True)
    return {field.name: types[field.name] for field in fields(settings)}


def accepts(hint: Any, value: object) -> bool:
    """Return whether a JSON value is one of a type. Numbers count things, or seconds."""
    origin = get_origin(hint)
    inner = get_args(hint)
    if hint is Any or hint is None or hint is NoneType:
        return hint is Any or value is None
    if origin is Annotated:
        return accepts(inner[0], value) and value in inner[1]
    if origin is Literal:
        return value in inner
    if origin in (Union, types.UnionType):
        return any(accepts(part, value) for part in inner)
    if origin is list:
        return isinstance(value, list) and all(accepts(inner[0], item) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(accepts(inner[1], item) for item in value.values())
    if hint in HIGHEST:
        number = isinstance(value, (int, hint)) and not isinstance(value, bool)
        return number and 0 <= float(str(value)) <= HIGHEST[hint]
    return isinstance(value, hint)


def schema(hint: Any) -> dict[str, Any]:
    """Return what ``accepts`` takes for a type as a JSON schema."""
    origin = get_origin(hint)
    inner = get_args(hint)
    if origin is Annotated:
        return {**schema(inner[0]), "enum": list(inner[1])}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, types.UnionType):
        return {"anyOf": list(map(schema, inner))}
    if origin is list:
        return {"type": "array", "items": schema(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(inner[1])}
    if is_dataclass(hint) and isinstance(hint, type):
        # What a method reads has several forms.
        properties = {
            name: schema(each)
            for name, each in hints(hint).items()
            if not hasattr(hint, f"parse_{name}")
        }
        return {"type": "object", "properties": properties}
    if hint in HIGHEST:
        return {"type": SCHEMA_TYPES[hint], "minimum": 0, "maximum": HIGHEST[hint]}
    if hint in SCHEMA_TYPES:
        return {"type": SCHEMA_TYPES[hint]}
    return {}


def changed(settings: Settings, values: object) -> Settings:
    """Return a copy with the fields that a JSON object names, or refuse the object.

    A method ``parse_FIELD`` reads a field whose JSON has another form.
    """
    name = type(settings).__name__.lower()
    if not isinstance(values, Mapping):
        raise SettingError(f"{name}: an object expected")
    types = hints(type(settings))
    new: dict[str, Any] = {}
    for field, value in values.items():
        if field not in types:
            raise SettingError(f"{name}: no field {field}; known: {', '.join(types)}")
        current = getattr(settings, field)
        parse = getattr(settings, f"parse_{field}", None)
        if parse is not None:
            value = parse(value)
        elif is_dataclass(current) and not isinstance(current, type):
            value = changed(current, value)
        elif not accepts(types[field], value):
            raise SettingError(f"{name} {field}: {value!r} is not allowed")
        new[field] = value
    return replace(settings, **new)
