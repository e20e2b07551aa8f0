# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which variables are misspelt ones of the collection, and which are a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import SHARED_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import check_environment
from ansible_collections.qingguo.qgnet.plugins.plugin_utils import _variables
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variables import (
    check_settings,
    owners_of,
    settings,
)
from support import phrases

SETTINGS = sorted(name.removeprefix("qg_") for name in settings())
#: Names that users have given to results, and to variables of their own, without the prefix.
_FOREIGN = """
    account accounts address addresses allocated allocated_ips answer api app apps area_codes
    area_info area_list balance balance_info bandwidth base_url before bought branch budget
    calls channels check city cloud config count crawlers cron current daily data debug demo
    deregister dir doctor domain done egress_ip email enabled env error exit_ip exits expires
    failed file first found free gateway group groups history home hosts_file hosts_list id ids
    info instances items job jobs key_2 key_a key_file lease lease_info lease_result
    leases ledger limit line list log log_level metrics mode monopoly my_key name new node nodes
    number ok old old_key output owner package path plan pool pool_info pools port price prod
    proxies proxy proxy_info proxy_list proxy_url public_ip quota quota_info ready
    refresh_result region regions registered release released remaining removed replaced report
    reset resource resources response result results retries role run schedule script second
    secret server servers service shop site stage staging state status tag target tasks team
    template test timer tmp token total tunnel url urls used user username verified version wait
    whitelist whitelist_info worker zone
"""
FOREIGN = _FOREIGN.split()


def typos(name: str) -> set[str]:
    """The names with one letter wrong, too many, missing or swapped, and without or with other
    marks between words.
    """
    found = {
        name.replace("_", ""),
        name.replace("_", "-"),
        f"{name}s",
        name.rstrip("s"),
        f"_{name}",
    }
    for place, letter in enumerate(name):
        before = name[:place]
        after = name[place + 1 :]
        found |= {before + after, before + letter + letter + after}
        found |= {f"{before}{wrong}{after}" for wrong in "ex"}
        found |= {f"{before}{wrong}{letter}{after}" for wrong in "ax"}
        found.add(before + after[:1] + letter + after[1:])
    # qg_ip is a variable of cloud hosts, and two underscores are in variables for the inside of a
    # playbook.
    return {typo for typo in found - {"", name, "ip", *SETTINGS} if "__" not in typo}


def is_refused(*names: str) -> bool:
    try:
        check_settings(names)
    except OptionError:
        return True
    return False


@pytest.mark.parametrize("name", SETTINGS)
def test_a_typo_of_each_setting_is_refused(name: str) -> None:
    # The first letter of a word of three makes another word.
    missed = {typo for typo in typos(name) if not is_refused(f"qg_{typo}")}
    assert {typo for typo in missed if len(name) > 3 or typo[0] == name[0]} == set()


@pytest.mark.parametrize(
    ("typo", "name"),
    [
        ("max_per_day", "max_new_per_day"),
        ("max_new_per_hour", "max_new_per_day"),
        ("max_new", "max_new_per_day"),
        ("max_leases", "max_new_per_day"),
        ("new_per_day", "max_new_per_day"),
        ("maxnewperday", "max_new_per_day"),
        ("maximum_new_per_day", "max_new_per_day"),
        ("max_newperdays", "max_new_per_day"),
        ("prodcut", "product"),
        ("prodkuct", "product"),
        ("poducts", "product"),
        ("sotre", "store"),
        ("appkye", "app_key"),
        ("url_api", "api_url"),
        ("wait_max", "max_wait"),
        ("pasword", "password"),
        ("leases_counts", "lease_count"),
        ("count_lease", "lease_count"),
        ("keep_alives", "keep_alive"),
        ("min_remain", "min_remaining"),
        ("metric_key", "metrics_keys"),
        ("through_proxies", "through_proxy"),
    ],
)
def test_the_setting_that_was_meant_is_named(typo: str, name: str) -> None:
    with pytest.raises(
        OptionError, match=rf"^The variable qg_{typo} {phrases.NO_SUCH_VARIABLE} qg_{name}\?"
    ):
        check_settings([f"qg_{typo}"])


@pytest.mark.parametrize(
    ("typo", "name"),
    [
        ("proxy_gatewy_count", "proxy_gateway_count"),
        ("proxy_gateways_count", "proxy_gateway_count"),
        ("proxygateway_count", "proxy_gateway_count"),
        ("proxy_gate_way_keep_alive", "proxy_gateway_keep_alive"),
        ("proxy-gateway-count", "proxy_gateway_count"),
        ("PROXY_GATEWAY_COUNT", "proxy_gateway_count"),
        ("qg_proxy_gateway_count", "proxy_gateway_count"),
        ("poxy_gateway_state", "proxy_gateway_state"),
        ("proxy_lst_path", "proxy_list_path"),
        ("proxylist_path", "proxy_list_path"),
        ("egress_whitelst_ips", "egress_whitelist_ips"),
        ("egres_whitelist_prune", "egress_whitelist_prune"),
        ("egress_white_list_state", "egress_whitelist_state"),
        ("qg_egress_whitelist_ips", "egress_whitelist_ips"),
    ],
)
def test_a_typo_in_the_prefix_of_a_role_is_refused(typo: str, name: str) -> None:
    with pytest.raises(
        OptionError, match=f"^The variable {typo} {phrases.NO_SUCH_VARIABLE} {name}\\?"
    ):
        check_settings([typo])


#: Names of a user that share words with those of roles.
_OTHERS = """
    proxy proxy_count proxy_port proxy_host_count proxy_host_path proxy_user proxy_lists proxy_list
    proxy_gateway proxy_gateways proxy_gatewy gateway_count gateway_port default_gateway_port
    my_proxy_gateway_count web_proxy_list_path proxy_gatewy_note proxy_file_path proxy_hosts_state
    egress_ip egress_ips egress_whitelists whitelist_ips egress_blacklist_ips ingress_whitelist_ips
    list_path proxy_test_interval proxy_line_count proxy_pool_count qg_gateway_count
"""
OTHERS = _OTHERS.split()


def test_a_name_of_a_user_that_shares_words_with_a_role_is_not_refused() -> None:
    assert [name for name in OTHERS if is_refused(name)] == []


def test_a_name_of_a_user_is_not_refused() -> None:
    assert [name for name in FOREIGN if is_refused(f"qg_{name}")] == []


def test_names_of_a_user_in_the_environment_are_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in FOREIGN:
        monkeypatch.setenv(f"QG_{name.upper()}", "1")
    check_environment(SHARED_OPTIONS)
    monkeypatch.setenv("QG_KYE", "1")
    with pytest.raises(OptionError, match=f"{phrases.NO_SUCH_VARIABLE} QG_KEY"):
        check_environment(SHARED_OPTIONS)


@pytest.mark.parametrize("name", [*sorted(SHARED_OPTIONS), "ledger_days", "minute_seconds"])
def test_a_typo_in_the_environment_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for typo in sorted(typos(name)):
        if len(name) > 3 or typo[0] == name[0]:
            monkeypatch.setenv(f"QG_{typo.upper()}", "1")
            with pytest.raises(OptionError, match=f"{phrases.NO_SUCH_VARIABLE} QG_"):
                check_environment(SHARED_OPTIONS)
            monkeypatch.delenv(f"QG_{typo.upper()}")


def test_the_groups_that_set_a_variable_are_named() -> None:
    groups = {
        "all": ["a", "b", "c", "d"],
        "ungrouped": ["d"],
        "small": ["a"],
        "web": ["a", "b"],
        "none": [],
    }
    assert owners_of("ab", groups) == ["web"]
    assert owners_of("ac", groups) == ["small", "c"]
    assert owners_of("abcd", groups) == ["web", "ungrouped", "c"]
    assert owners_of("", groups) == []


def test_what_else_is_beside_the_playbooks_has_no_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "playbooks" / ".ansible").mkdir(parents=True)
    (tmp_path / "playbooks" / "own.yml").write_text("hosts: '{{ qg_hosts }}'\n", encoding="utf-8")
    # What file managers and editors leave there is no text.
    (tmp_path / "playbooks" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1\xff\xfe")
    monkeypatch.setattr(_variables, "_COLLECTION", tmp_path)
    assert _variables._in_files.__wrapped__("playbooks/**/*.*") == {"qg_hosts"}
