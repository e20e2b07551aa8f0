# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""No option quotes the credentials of a URL that is mistyped, or that does not belong there.

The options come from the specifications and the documentation, so that a new one is tried without a
change here.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible_collections.qingguo.qgnet.plugins.inventory import qg_cloud
from ansible_collections.qingguo.qgnet.plugins.lookup import proxy
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch import poller
from support.documents import configured, lookup_of, plugin, plugin_names, spec_of, with_fragments
from support.parameters import slow_cases
from support.plugin_runs import run_action

USER = "QKEY7LOGIN"
WORD = "HUSH7WORD"
WITHOUT_BLANKS = """
USER:WORD@192.0.2.8:3128  USER:WORD@proxy.example  socks5://USER:WORD@192.0.2.8:3128  socks5h://USER:WORD@proxy
ftp://USER:WORD@proxy.example/  http:/USER:WORD@proxy.example  http//USER:WORD@proxy.example
http:USER:WORD@proxy.example  //USER:WORD@proxy.example  htpp://USER:WORD@proxy.example:3128
http://USER:WORD@192.0.2.8:port  http://USER:WORD@192.0.2.8:99999  http://USER:WORD@192.0.2.8:  http://USER:WORD@
http://:WORD@proxy.example  http://USER@proxy.example  http://USER:a/WORD@proxy.example
http://USER:a?WORD@proxy.example  http://USER:a#WORD@proxy.example  http://USER:a@WORD@proxy.example
http://USER:a@WORD.b  http://USER:a%WORD@proxy.example  http://USER%3AWORD%40proxy.example
http://USER:WORD%2540proxy.example  http://USER:WORD\uff20proxy.example  http://USER:WORD  USER:WORD
192.0.2.8:3128:USER:WORD  proxy.example:3128:USER:WORD  http://proxy.example:3128:USER:WORD
http://USER:WORD\\@proxy.example  http://USER:WORD@[::1  https://USER:WORD@proxy.example:3128
"""
#: What a person types who means http://USER:WORD@192.0.2.8:3128, or has it from elsewhere.
MISTYPED = [
    url.replace("USER", USER).replace("WORD", WORD)
    for url in [
        *WITHOUT_BLANKS.split(),
        "http://USER:WORD@192.0.2.8 :3128",
        "http://USER: WORD@192.0.2.8:3128",
        "http:// USER:WORD@192.0.2.8:3128",
        "http://USER:WORD@proxy.example\n",
    ]
]


#: What every option of these names holds while another one is tried.
VALID: dict[str, Any] = {
    "key": "QGDEMO01",
    "password": "pass-of-demo",
    "app_id": "agent",
    "app_key": "key-of-agent",
}
VALID |= {
    "product_id": 1,
    "resource_no": "demo1",
    "package_no": "1",
    "system_no": "1",
    "duration": "1m",
}
VALID |= {
    "ips": ["8.8.8.8"],
    "proxies": ["192.0.2.8:3128"],
    "step": "detect",
    "tunnel": "tunnel.qg.example:19702",
}
#: The same for single modules, which want one of several.
CHOICES: dict[str, dict[str, Any]] = {
    "qg_proxy_allocate": {"count": 1},
    "qg_proxy_release": {"all": True},
    "qg_proxy_replace": {"all": True},
    "qg_monopoly": {"count": 1},
}
#: With these, an option is looked at that would otherwise be left out.
BESIDE: dict[str, dict[str, Any]] = {
    "uuids": {"state": "absent", "count": None},
    "keep": {"state": "exact"},
    "sources": {"ips": None},
    "ips": {"all": None},
    "task_ids": {"all": None},
    "max_age": {},
}


@pytest.fixture(autouse=True)
def _no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("QG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    # Without a scheme and an @, a store is a directory.
    monkeypatch.chdir(tmp_path)

    # Nothing listens there.
    for name in ("QG_API_URL", "QG_ACCOUNT_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


def takes_text(option: dict[str, Any]) -> bool:
    """Whether a URL can be given to an option; of those with choices Ansible itself says what was
    wrong.
    """
    kind = option.get("elements") if option.get("type") == "list" else option.get("type", "str")
    return kind in ("str", "raw", None) and not option.get("choices") and not option.get("no_log")


def quoted(texts: object) -> bool:
    """Whether a credential is in a message or result, as it was typed or percent-encoded."""
    text = unquote(texts if isinstance(texts, str) else json.dumps(texts, default=str)).upper()
    return USER in text or WORD in text


def complaint(work: Callable[[], object]) -> object:
    """What the user is shown: the result, or the message of the exception."""
    try:
        return work()
    except (AnsibleError, QgError) as error:
        return str(error)


def assert_nothing_is_quoted(
    option: str,
    declared: dict[str, Any],
    run: Callable[[dict[str, Any]], object],
    urls: Sequence[str] = MISTYPED,
) -> None:
    """Give each mistyped URL to an option."""
    for url in urls:
        shown = complaint(partial(run, {option: [url] if declared.get("type") == "list" else url}))
        assert not re.search("missing required|(is|are) missing", str(shown)), shown
        assert not quoted(shown), f"{option}: {shown}"


def run_with(name: str, common: dict[str, Any], given: dict[str, Any]) -> object:
    return run_action(name, {**common, **given})


#: Each of the APIs, and a host. The other modules share their options, so that a fifth of the URLs
#: does for each.
REPRESENTATIVE = ["qg_whitelist", "qg_balance_info", "qg_tunnel_exit", "qg_egress_ip_info"]
OTHERS = sorted(set(plugin_names("action")) - set(REPRESENTATIVE))


@pytest.mark.parametrize("name", [*REPRESENTATIVE, *slow_cases(*OTHERS)])
def test_no_option_of_a_module_quotes_credentials(name: str, tmp_path: Path) -> None:
    spec = spec_of(name)
    valid = {
        option: value
        for option, value in VALID.items()
        if option in spec and not name.endswith("_info")
    }
    valid |= CHOICES.get(name, {})
    valid |= {
        option: VALID[option]
        for option in spec
        if spec[option].get("required") and option not in valid
    }
    # No call waits for its turn.
    valid |= {
        option: value
        for option, value in (("store", str(tmp_path)), ("max_wait", 0))
        if option in spec
    }
    # These two are names that are shown nowhere but as they are looked up.
    names = [
        option
        for option, declared in spec.items()
        if takes_text(declared) and option not in ("inventory_id",)
    ]
    urls = MISTYPED if name in REPRESENTATIVE else MISTYPED[OTHERS.index(name) % 5 :: 5]
    assert {"api_url", "account_url", "tunnel", "through_proxy", "url"} & set(names)
    for option in names:
        beside = {other: value for other, value in BESIDE.get(option, {}).items() if other in spec}
        common = {**valid, **beside}
        run = partial(run_with, name, common)
        assert_nothing_is_quoted(option, spec[option], run, urls)


def test_a_list_in_place_of_a_url_is_not_quoted_either(tmp_path: Path) -> None:
    options = {"key": "QGDEMO01", "store": str(tmp_path), "api_url": [MISTYPED[0]]}
    declared = complaint(lambda: run_action("qg_whitelist_info", options))
    assert "api_url" in str(declared)
    assert not quoted(declared)


def test_no_option_of_the_inventory_quotes_credentials(tmp_path: Path) -> None:
    documented = with_fragments(yaml.safe_load(qg_cloud.DOCUMENTATION))
    own = set(yaml.safe_load(qg_cloud.DOCUMENTATION)["options"]) | {"account_url"}
    path = tmp_path / "x.qg_cloud.yml"
    full_name = qg_cloud.InventoryModule.NAME
    common = {"plugin": full_name, "app_id": "agent", "app_key": "key-of-agent"}

    def read(given: dict[str, Any]) -> None:
        path.write_text(yaml.safe_dump({**common, **given}), encoding="utf-8")
        plugin = configured("inventory", qg_cloud.InventoryModule(), full_name, documented)
        plugin.parse(InventoryData(), DataLoader(), str(path))
        pytest.fail(f"{given} is accepted")

    # What is evaluated for each host is an expression of the user's own, and shown.
    names = [
        option
        for option, declared in documented.items()
        if option in own and takes_text(declared) and option not in ("plugin", "filters", "app_key")
    ]
    assert {"account_url"} <= set(names)
    for option in names:
        assert_nothing_is_quoted(option, documented[option], read)


def test_no_option_of_the_lookup_quotes_credentials(tmp_path: Path) -> None:
    lookup, _names = lookup_of(proxy)
    documented = with_fragments(yaml.safe_load(proxy.DOCUMENTATION))
    common = {"key": "QGDEMO01", "store": str(tmp_path), "max_wait": 0}
    names = {option for option, declared in documented.items() if takes_text(declared)}
    assert {"api_url", "store"} <= names
    for option in names - {"_terms", "spread", "key", "password"}:
        assert_nothing_is_quoted(
            option, documented[option], lambda given: lookup.run([], {}, **{**common, **given})
        )


def test_no_option_of_the_event_source_quotes_credentials(tmp_path: Path) -> None:
    async def pause(_seconds: float) -> None:
        raise QgError("the test is over")

    async def events(options: dict[str, Any]) -> list[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        with pytest.raises(QgError) as caught:
            await poller.watch(queue, options, pause)
        return [str(caught.value), *(queue.get_nowait() for _number in range(queue.qsize()))]

    common: dict[str, Any] = {
        "key": "QGDEMO01",
        "app_id": "agent",
        "app_key": "key-of-agent",
        "max_wait": 0,
    }
    common |= {"watch": ["quota", "balance"], "store": str(tmp_path)}
    for option in ("api_url", "account_url"):
        for url in MISTYPED:
            assert not quoted(asyncio.run(events({**common, option: url}))), option


@pytest.mark.parametrize("name", plugin_names("filter"))
def test_no_argument_of_a_filter_quotes_credentials(name: str) -> None:
    make = plugin("filter", name).FilterModule().filters()[name]
    arguments = list(inspect.signature(make).parameters)
    valid: dict[str, Any] = {arguments[0]: "192.0.2.8:3128"}
    valid |= {"url": "https://d.qg.net/ip"} if "url" in arguments else {}

    def cases(url: str) -> Iterator[dict[str, Any]]:
        yield from (
            {**valid, argument: value}
            for argument in arguments
            for value in (url, [url], {"a": url})
        )
        yield from (
            {**valid, arguments[0]: {"server": server, "proxy_url": url}}
            for server in (url, "192.0.2.8:3128")
        )

    for case in itertools.chain.from_iterable(map(cases, MISTYPED)):
        declared = complaint(partial(make, **case))
        # What a filter makes may well hold credentials; what it refuses may not.
        if isinstance(declared, str) and declared.startswith(f"{name} cannot use"):
            assert not quoted(declared), f"{case}: {declared}"
