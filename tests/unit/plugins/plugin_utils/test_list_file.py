# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts of lists by the templates of users."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.logins import Login
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._list_file import (
    SAMPLE,
    check_template,
    list_text,
)
from support import phrases

LOGIN = Login("QGDEMO01", "0123456789ab")
URL = "http://QGDEMO01:0123456789ab@203.0.113.5:21504"


def proxies(template: str) -> dict[str, Any]:
    """Return what is recorded of a list with one lease and URLs with credentials."""
    return {
        "template": template,
        "scheme": "http",
        "credentials": True,
        "format": "lines",
        "pools": [{"count": 1}],
    }


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for url in urls %}\n{{ url }}\n{% endfor %}\n", f"{URL}\n"),
        ("{{ urls | to_json }}", f'["{URL}"]'),
        ("{{ leases[0].ip | b64encode }}", "MjAzLjAuMTEzLjU="),
        ("{{ urls[0] | urlsplit('port') }}", "21504"),
        ("{{ leases[0].region | lower | regex_replace('q', 'Q') }}", "Quanzhou"),
        ("{{ leases | map(attribute='server') | join(',') }}", "203.0.113.5:21504"),
        ("{{ {'a': 1} | combine({'b': 2}) | to_yaml }}", "{a: 1, b: 2}\n"),
        ("{{ leases[0].ip | hash('sha1') | length }}", "40"),
    ],
)
def test_a_template_has_the_leases_and_filters(template: str, text: str) -> None:
    check_template(proxies(template), "own.j2")

    assert list_text(proxies(template), [SAMPLE], LOGIN, "one") == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ inventory_hostname }}",
        "{{ qg_key }}",
        "{{ lookup('env', 'QG_KEY') }}",
        "{{ leases[0].adress }}",
        "{% for lease in leases %}",
        "{{ leases.clear() }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ urls | shuffle_all }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_a_template_that_uses_anything_else_is_refused(template: str) -> None:
    with pytest.raises(OptionError) as refusal:
        check_template(proxies(template), "own.j2")

    message = refusal.value.message
    assert message.startswith(f"proxy_list_template=own.j2 {phrases.NOTHING_WAS_LEASED} ")
    assert phrases.NO_OTHER_VARIABLES in message


def test_a_template_that_fails_later_shows_no_credentials() -> None:
    template = "{{ leases[urls[0]] if urls[0] | length > 40 }}"
    check_template(proxies(template), "own.j2")

    with pytest.raises(OptionError) as refusal:
        list_text(proxies(template), [SAMPLE], LOGIN, "one")

    assert "0123456789ab" not in str(refusal.value)
    assert refusal.value.__cause__ is None
