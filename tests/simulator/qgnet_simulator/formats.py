# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a response besides JSON: text with the servers, and XML."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

TEXT = "txt"
XML = "xml"
DEFAULT_SEPARATOR = "\n"
XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ESCAPES = {r"\r": "\r", r"\n": "\n", r"\t": "\t"}


def unescape_separator(text: str) -> str:
    """Return the separator that a link names: generated links spell control characters with a
    backslash.
    """
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return text or DEFAULT_SEPARATOR


def to_xml(value: Any) -> str:
    """Return a JSON value as an XML document: an element for each field, and an ``item`` for each
    item of a list.
    """
    root = ElementTree.Element("response")
    _append(root, value)
    return XML_DECLARATION + ElementTree.tostring(
        root, encoding="unicode", short_empty_elements=False
    )


def _append(parent: ElementTree.Element, value: Any) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _append(ElementTree.SubElement(parent, name), item)
    elif isinstance(value, list):
        for item in value:
            _append(ElementTree.SubElement(parent, "item"), item)
    elif value is not None:
        parent.text = str(value)
