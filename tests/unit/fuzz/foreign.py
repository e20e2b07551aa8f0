# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Foreign text for the fuzzer: what a vendor, a proxy or a host may send, bent, and what none of
them would send.

Most inputs begin as valid text, so that they get past the first check: then values, names, digits
or bytes are replaced by those that have broken readers before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

#: Stands for a value that json.dumps cannot write; :func:`written` puts the raw text in its place.
RAW = "\N{SYMBOL FOR SUBSTITUTE}raw:"

#: Text that has ended readers with an exception.
HOSTILE_TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "+7",
        " 5 ",
        "1_000",
        "\N{SUPERSCRIPT TWO}",
        "\N{ARABIC-INDIC DIGIT THREE}",
    ),
    *(
        "\N{CIRCLED DIGIT ONE}",
        "9" * 18,
        "9" * 19,
        "9" * 5000,
        "1e400",
        "1e999999999",
        "-1e-999999999",
    ),
    *(
        "1." + "3" * 5000,
        "NaN",
        "sNaN",
        "Infinity",
        "-0",
        "0x10",
        "true",
        "None",
        "2030-01-02 03:04:05",
    ),
    *("0001-01-01 00:00:00", "9999-12-31 23:59:59", "2030-02-30 03:04:05"),
    *(
        "\N{ARABIC-INDIC DIGIT TWO}030-01-02 03:04:05",
        "203.0.113.5",
        "203.0.113.5:99999",
        "2001:db8::1%eth0",
    ),
    *(
        "::ffff:203.0.113.5",
        "1.2.3",
        "%00%ff&#" + "9" * 5000 + ";",
        "&#x" + "0" * 5000 + "41;",
        "\x00",
    ),
    *(
        "\x1b[2J\x07\x9b31m",
        "\N{RIGHT-TO-LEFT OVERRIDE}txt",
        "a\r\nb\N{LINE SEPARATOR}c",
        "\ufeff",
        "\ufffe\uffff",
    ),
    *("x" * 70_000, "{{ lookup('pipe', 'id') }}", "../../etc/passwd"),
)
#: JSON that json.dumps does not write.
HOSTILE_JSON = (
    *(
        "NaN",
        "-Infinity",
        "1e999",
        "-1e999",
        "9" * 18,
        "9" * 20,
        "9" * 64,
        "9" * 5000,
        "-" + "9" * 5000,
    ),
    *(
        "1." + "0" * 5000,
        "1e-5000",
        "-0",
        "01",
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\\\ud800"',
    ),
    *('"\\u0000"', "[" * 40 + "]" * 40, "[" * 900 + "]" * 900, "[" * 1900, "[" * 100_000),
    *(
        '{"a":' * 900 + "1" + "}" * 900,
        '{"IP": "203.0.113.5", "IP": "203.0.113.6"}',
        '{"1": {}, "\\u00b2": {}}',
    ),
    *('{"' + "9" * 5000 + '": {}}', "tru", ""),
)

texts = (
    st.sampled_from(HOSTILE_TEXTS)
    | st.text(max_size=30)
    | st.text("0123456789.:-+eE %&#;x\\u\N{SUPERSCRIPT TWO}", max_size=30)
)
numbers = (
    st.integers()
    | st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**15, 10**18, 10**19, 10**63])
    | st.floats()
)
scalars = (
    st.none() | st.booleans() | numbers | texts | st.sampled_from(HOSTILE_JSON).map(RAW.__add__)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def written(value: Any) -> str:
    """JSON of a value; what begins with RAW stands in it as it is."""
    parts = json.dumps(value).split(json.dumps(RAW)[:-1])
    if len(parts) == 1:
        return parts[0]
    done = [parts[0]]
    for part in parts[1:]:
        raw, end = json.JSONDecoder().raw_decode(f'"{part}')
        # The quote before the mark was cut off with it.
        done.append(raw + part[end - 1 :])
    return "".join(done)


@st.composite
def bent(draw: st.DrawFn, shape: Any) -> Any:
    """The valid value, of which parts are replaced, left out, or named in another way."""
    choice = draw(st.integers(0, 11))
    if choice == 0:
        return draw(values)
    if isinstance(shape, Mapping):
        result: dict[str, Any] = {}
        for name, value in shape.items():
            what = draw(st.integers(0, 15))
            if what == 0:
                continue
            other = (
                draw(st.sampled_from([name.upper(), name.lower(), f"{name}_", f" {name}"]))
                if what == 1
                else name
            )
            result[other] = draw(bent(value))
        if choice == 1:
            result[draw(texts)] = draw(values)
        return result
    if isinstance(shape, list):
        size = draw(st.integers(0, 3))
        return (
            [draw(bent(draw(st.sampled_from(shape)))) for _number in range(size)] if shape else []
        )
    return draw(scalars) if choice < 4 else shape


@st.composite
def mangled(draw: st.DrawFn, base: st.SearchStrategy[str]) -> str:
    """Text, cut off, doubled, or with foreign text in its middle."""
    text = draw(base)
    how = draw(st.integers(0, 9))
    place = draw(st.integers(0, len(text)))
    if how == 0:
        return text[:place]
    if how == 1:
        return text[:place] + draw(texts) + text[place:]
    if how == 2:
        return text + text
    if how == 3:
        return text.replace(
            "1", draw(st.sampled_from(["\N{SUPERSCRIPT TWO}", "9" * 5000, "-", "\udcff"])), 1
        )
    return text
