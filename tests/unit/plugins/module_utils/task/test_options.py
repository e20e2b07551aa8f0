# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task: mistakes in them, where its calls go, and results without its secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    MissingOption,
    OptionError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    AccountConnection,
    Connection,
    key_caller,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Mode,
    Operation,
    Spec,
    execute,
    guarded,
    read_options,
    redact,
    refuse_blank,
    shared,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import typed
from support import phrases

SECRET = "0123456789abcdef0123"
COMMON = {"timeout": 10.0, "max_wait": 300.0}
ACCOUNT: dict[str, Any] = {
    **COMMON,
    "app_id": "qgdemo01",
    "app_key": SECRET,
    "account_url": "https://account.example/api",
}
PROXY: dict[str, Any] = {**COMMON, "key": SECRET, "password": "x", "api_url": "https://api.example"}


def test_blanks_around_credentials_do_not_count() -> None:
    padded = {**ACCOUNT, "app_id": " qgdemo01\n", "app_key": f"{SECRET}\n"}
    assert AccountConnection.of(padded) == AccountConnection.of(ACCOUNT)


def test_blanks_between_the_entries_of_a_text_do_not_count() -> None:
    kinds = {"type": "list", "elements": "str", "choices": ["gateway", "list"]}
    assert typed("kinds", kinds, "gateway, list") == ["gateway", "list"]


def test_names_that_users_give_themselves_may_have_full_width_characters() -> None:
    for name in ("proxy_list_template", "inventory_id"):
        assert typed(name, {"type": "str"}, "北京（一）") == "北京（一）"


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        *(
            (host, "www.qg.net")
            for host in ("www.qg.net", "qg.net", "127.0.0.1:8080", "[::1]:8080", "simulator:8080")
        ),
        ("Account.Reseller.example:8443", "account.reseller.example"),
    ],
)
def test_calls_are_signed_for_the_host_of_account_url(host: str, domain: str) -> None:
    assert (
        AccountConnection.of({**ACCOUNT, "account_url": f"https://{host}/api"}).identity.domain
        == domain
    )


def test_runs_that_spell_the_address_differently_share_the_lock_and_the_count(
    tmp_path: Path,
) -> None:
    urls = ["https://api.example", "http://API.example:80/"]
    connections = [Connection.of({**PROXY, "store": str(tmp_path), "api_url": url}) for url in urls]
    clients = [key_caller(connection, SILENT) for connection in connections]
    assert len({api.key_digest for api in clients}) == 1


VENDOR = "https://share.proxy.qg.net"


@pytest.mark.parametrize(
    ("api_url", "called"),
    [
        ("https://proxy.qg.net", VENDOR),
        ("https://proxy.qg.net/", VENDOR),
        ("HTTPS://Proxy.QG.net:443", VENDOR),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/share"),
        ("http://[::1]:8080/", "http://[::1]:8080/share"),
        ("https://proxy.qg.net.example", "https://proxy.qg.net.example/share"),
        ("https://reseller.example/qg", "https://reseller.example/qg/share"),
    ],
)
def test_a_key_is_never_sent_to_the_vendor_if_api_url_names_another_host(
    tmp_path: Path, api_url: str, called: str
) -> None:
    options = {**PROXY, "store": str(tmp_path), "api_url": api_url, "product": "share"}
    assert key_caller(Connection.of(options), SILENT).url == called


def test_one_caller_sends_to_one_product_after_the_other(tmp_path: Path) -> None:
    options = {**PROXY, "store": str(tmp_path), "product": "auto"}
    caller = key_caller(Connection.of(options), SILENT)
    classic = caller.key_digest

    seen = []
    for product in ("classic", "share", "overseas", "classic"):
        caller.use_product(product)
        seen.append((caller.product, caller.url, caller.key_digest == classic))

    assert seen == [
        ("classic", "https://api.example", True),
        ("share", "https://api.example/share", False),
        ("overseas", "https://api.example/overseas", False),
        ("classic", "https://api.example", True),
    ]
    assert caller.facts.key == classic, "what is known of the key is found whatever the product"


def test_the_text_of_a_connection_has_no_secret() -> None:
    connections = (Connection.of({**PROXY, "store": "~/state"}), AccountConnection.of(ACCOUNT))

    for connection in connections:
        assert SECRET not in repr(connection)
        assert "example" in repr(connection)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("is empty", "count is empty: give a number."),
        ("=0 is out of range", "count=0 is out of range: give a number."),
        (", entry 2, is empty", "count, entry 2, is empty: give a number."),
    ],
)
def test_a_message_is_option_problem_and_fix(problem: str, message: str) -> None:
    assert OptionError("count", problem, "give a number").message == message


def test_a_mistake_has_fields_that_show_no_secret_of_another_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QG_KEY", "HUSH0123")
    spec: Spec = {**shared("key", type="str", no_log=True), "count": {"type": "int"}}

    with pytest.raises(OptionError) as refused:
        read_options(spec, {"count": "HUSH0123"}, place="option")

    assert refused.value.option == "count"
    assert refused.value.problem == f"='{phrases.HIDDEN}' {phrases.NOT_A_WHOLE_NUMBER}"
    assert refused.value.fix == "give one, such as 5"


def test_an_option_without_a_value_is_told_from_one_with_a_wrong_value() -> None:
    spec: Spec = shared("key", type="str", required=True, no_log=True)

    with pytest.raises(MissingOption) as refused:
        read_options(spec, {}, place="option")

    assert refused.value.option == "key"
    assert (
        refused.value.fix
        == f"give it as option {phrases.OR_AS} QG_KEY {phrases.IN_THE_ENVIRONMENT}"
    )


@pytest.mark.parametrize(("selectors", "hint"), [(("ips",), False), (("ips", "all"), True)])
def test_the_refusal_of_an_empty_selector_names_all_only_if_there_is_such_an_option(
    selectors: tuple[str, ...], hint: bool
) -> None:
    with pytest.raises(OptionError) as refusal:
        refuse_blank("ips", {}, [], selectors)
    assert refusal.value.message.startswith(f"ips is empty ([]), which {phrases.NEVER_MEANS_ALL}: ")
    assert ("all=true" in refusal.value.message) is hint


@pytest.mark.parametrize("option", ["area", "areas", "exclude_areas"])
def test_the_refusal_of_an_empty_area_does_not_propose_all(option: str) -> None:
    with pytest.raises(OptionError) as refusal:
        refuse_blank(option, {}, "", ("uuids", "all", option))
    assert "all=true" not in refusal.value.message


def test_a_value_of_another_type_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QG_KEY", "HUSH0123")
    spec: Spec = {**shared("key", type="str", no_log=True), "count": {"type": "int"}}
    for value in ("http://me:HUSH7@192.0.2.1", "HUSH0123"):
        with pytest.raises(OptionError, match=phrases.NOT_A_WHOLE_NUMBER) as refused:
            read_options(spec, {"count": value}, place="option")
        assert "HUSH" not in refused.value.message


SPEC: dict[str, dict[str, Any]] = {
    "key": {"type": "str", "no_log": True},
    "password": {"type": "str", "no_log": True},
    "ip": {"type": "str"},
}


def test_what_is_no_secret_stays() -> None:
    result = {"msg": "198.51.100.8 is on the list"}
    assert redact(result, {"key": "198.", "password": "", "ip": "198.51.100.8"}, SPEC) != result
    assert redact(result, {"key": "1989", "password": "i", "ip": "198.51.100.8"}, SPEC) == result
    assert redact(result, {"key": "199", "password": "", "ip": "198.51.100.8"}, SPEC) == result


def test_an_unexpected_exception_is_a_failed_result_without_its_text() -> None:
    def run(params: Any, mode: Mode) -> dict[str, Any]:
        raise OverflowError(f"Python int too large: {params['key']}")

    result = execute(Operation(spec=SPEC, run=run), {"key": "SECRET"}, Mode())
    assert result["failed"] is True
    assert result["changed"] is False
    assert "unexpected OverflowError at test_options.py, line" in result["msg"]
    assert "Traceback" not in result["msg"]
    # What a defect is found with, which Ansible shows at -vvv.
    assert "in run" in result["exception"]
    assert "SECRET" not in repr(result)


def test_an_error_that_ansible_knows_what_to_do_with_passes() -> None:
    def work() -> dict[str, Any]:
        raise ConnectionError("unreachable")

    with pytest.raises(ConnectionError):
        guarded(work, (ConnectionError,))
    assert guarded(work)["failed"] is True


def test_a_failure_of_the_user_has_no_traceback() -> None:
    def work() -> dict[str, Any]:
        raise OptionError("ip", "is wrong", "give another")

    assert guarded(work) == {"failed": True, "changed": False, "msg": "ip is wrong: give another."}
