# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the account API without a network: what it sends, what it makes of answers, when it tries again."""

from __future__ import annotations

import email.utils
import functools
import itertools
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account import client as account_client
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.client import PAGE_SIZE, AccountApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.errors import AccountError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.signing import Identity
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import (
    DEFAULT_RETRIES,
    HttpResponse,
    Transport,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    Effect,
    OptionError,
    QgError,
    TransportError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import account_api
from support import vendor_pages as pages
from support.parameters import combined, spread

APP_ID, APP_KEY, DOMAIN = "qgdemo01", "0123456789abcdef0123", "www.qg.net"
NOW = 1700000000.0
SIGN = "ad958eb5e4d73bc42bc2405599287116"
INSTANCES, PACKAGES = "/cloud-business/getDetail", "/cloud-product/packageList"
Sent = dict[str, str]


def options(**changes: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "app_id": APP_ID,
        "app_key": APP_KEY,
        "account_url": "https://account.example/api",
        "domain": DOMAIN,
        "timeout": 10.0,
        "max_wait": 300.0,
        "validate_certs": True,
        "ca_path": None,
    }
    return {**defaults, **changes}


class Script(Transport):
    """Plays back answers, the last one for ever, and keeps what was sent."""

    def __init__(self, *script: HttpResponse | Exception | Callable[[Sent], HttpResponse]) -> None:
        super().__init__(timeout=10)
        self.script = list(script)
        self.paths: list[str] = []
        self.sent: list[Sent] = []

    def _exchange(self, method: str, url: str, form: str | None, endpoint: str) -> HttpResponse:
        parts = urlsplit(url)
        assert (method, form) == ("GET", None)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"https://account.example/api{endpoint}"
        self.paths.append(endpoint)
        self.sent.append(dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, HttpResponse) else step(self.sent[-1])


def client(*script: Any, **changes: Any) -> tuple[AccountApi, Script]:
    api = account_api(options(**changes), SILENT)
    transport = Script(*script)
    api._transport = transport
    api._now = lambda: NOW
    api.budget.sleep = lambda _seconds: None
    return api, transport


def json_answer(body: Any, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(status, json.dumps(body), headers)


def enveloped(data: Any, code: Any = 0, **fields: Any) -> HttpResponse:
    return json_answer({"RequestId": "R-1", "Code": code, "Message": "返回内容", "Data": data, **fields})


def reported(error: QgError) -> str:
    """All that an error could show, which is one line."""
    assert "\n" not in error.message
    return f"{error.message} {error.details} {error!r}"


#: Each call: how it is made, the data of a success, and the result.
CALLS: dict[str, tuple[Callable[[AccountApi], Any], Any, Any]] = {
    INSTANCES: (lambda api: api.instances(104), pages.INSTANCES, [pages.INSTANCE]),
    PACKAGES: (lambda api: api.packages(104)[:1], pages.PACKAGES, [pages.PACKAGE]),
    "/cloud-business/packageOrderPrice": (lambda api: api.order_price("1", "1", "1m"), pages.PRICES, pages.PRICE),
    "/physical-product/lineList": (lambda api: api.lines(115), pages.LINES, [pages.LINE]),
    "/proxyip/resourceView": (lambda api: api.proxy_plan("demo0001", 117), pages.PROXY_PLAN, pages.PLAN),
}
BALANCE = "/merchant/getBalance"
ALL: dict[str, Callable[[AccountApi], Any]] = {
    **{path: call for path, (call, _data, _reported) in CALLS.items()},
    BALANCE: lambda api: api.balance(),
}

# --- what is sent


@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        (lambda api: api.balance(), {}),
        (lambda api: api.instances(), {"offset": "0", "limit": "50"}),
        (lambda api: api.instances(104, "77"), {"productId": "104", "suid": "77", "offset": "0", "limit": "50"}),
        (lambda api: api.packages(104), {"productId": "104", "load_rate": "0"}),
        (
            lambda api: api.packages(104, "ap-x", "ap-x-1", load_rate=True),
            {"productId": "104", "line_no": "ap-x", "area_no": "ap-x-1", "load_rate": "1"},
        ),
        (lambda api: api.order_price("1", "2", "3m"), {"package_no": "1", "system_no": "2", "duration": "3m"}),
        (
            lambda api: api.order_price("1", "2", "3m", 104),
            {"productId": "104", "package_no": "1", "system_no": "2", "duration": "3m"},
        ),
        (lambda api: api.lines(115), {"productId": "115"}),
        (lambda api: api.proxy_plan("demo0001", 117), {"resource_no": "demo0001", "productId": "117"}),
    ],
)
def test_the_parameters_of_each_call(call: Callable[[AccountApi], Any], parameters: Sent) -> None:
    api, transport = client(enveloped(pages.PRICES | pages.PROXY_PLAN | {"Suid": "1", "id": "1", "Package_no": "1"}))
    if not parameters:
        transport.script = [json_answer({"result": True, "data": "1.00", "msg": None})]
    call(api)
    signed = {"appid": APP_ID, "domain": DOMAIN, "time": "1700000000", "sign": SIGN}
    assert transport.sent == [{**parameters, **signed}]


def test_the_key_is_never_sent() -> None:
    for path, call in ALL.items():
        api, transport = client(enveloped("1.00" if path == BALANCE else CALLS[path][1]))
        call(api)
        assert transport.paths == [path]
        assert APP_KEY not in str(transport.sent)


# --- envelopes


@pytest.mark.parametrize(("code", "path"), spread([0, "0", 200, "200", 0.0, " 200 "], CALLS))
def test_every_code_of_a_success_is_taken(path: str, code: Any) -> None:
    call, data, result = CALLS[path]
    api, transport = client(enveloped(data, code))
    assert call(api) == result
    assert len(transport.sent) == 1


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_the_keys_of_an_envelope_drift_too(spelling: Callable[[str], str]) -> None:
    api, _transport = client(json_answer({spelling("Code"): 0, spelling("Data"): pages.LINES}))
    assert api.lines(115) == [pages.LINE]


@pytest.mark.parametrize("result", [True, "true", "True", 1, "1"], ids=repr)
def test_the_envelope_of_the_balance(result: Any) -> None:
    api, _transport = client(json_answer({"result": result, "data": "12.30", "msg": None}))
    assert api.balance().text == "12.30"


@pytest.mark.parametrize("code", [0, "200"])
def test_the_balance_in_the_common_envelope(code: Any) -> None:
    api, _transport = client(enveloped("12.30", code))
    assert api.balance().text == "12.30"


@pytest.mark.parametrize("data", [{}, [], None, ""], ids=repr)
@pytest.mark.parametrize("path", [INSTANCES, PACKAGES, "/physical-product/lineList"])
def test_an_empty_list_has_several_shapes(path: str, data: Any) -> None:
    assert CALLS[path][0](client(enveloped(data))[0]) == []


@pytest.mark.parametrize("path", [INSTANCES, PACKAGES, "/physical-product/lineList"])
def test_an_empty_list_may_be_absent(path: str) -> None:
    assert CALLS[path][0](client(json_answer({"Code": 0}))[0]) == []


# --- refusals


@pytest.mark.parametrize(
    ("code", "status"),
    spread(
        [1, -1, 2, 401, 404, 408, 500, 503, "500", "E1001", "FAILED", 20000, -11, 0.5],
        [200, 400, 401, 403, 404, 408],
    ),
)
def test_any_other_code_is_a_refusal_at_once(code: Any, status: int) -> None:
    body = {"RequestId": "R-7", "Code": code, "Message": "品牌编号不存在", "Data": None}
    api, transport = client(json_answer(body, status))
    with pytest.raises(AccountError) as caught:
        api.packages(4)
    assert caught.value.as_result() == {
        "msg": caught.value.message,
        "code": str(code),
        "meaning": "品牌编号不存在",
        "endpoint": PACKAGES,
        "request_id": "R-7",
        "http_status": status,
    }
    assert caught.value.message.startswith(
        f'{PACKAGES} was refused with code {code} ("品牌编号不存在"). The call was for '
    )
    assert f"productId=4, load_rate=0, domain={DOMAIN}, appid={APP_ID}: check that" in caught.value.message
    assert "whether the clock of this machine is right" in caught.value.message
    assert APP_KEY not in reported(caught.value)
    assert SIGN not in reported(caught.value)
    assert (len(transport.sent), api.usage()["retries"]) == (1, 0)


@pytest.mark.parametrize("path", ALL)
def test_each_call_may_be_refused(path: str) -> None:
    api, transport = client(json_answer({"Code": 7, "Message": "no"}))
    with pytest.raises(AccountError, match=re.escape(path)):
        ALL[path](api)
    assert len(transport.sent) == 1


@pytest.mark.parametrize("result", [False, "false", 0, "0", "no"], ids=repr)
@pytest.mark.parametrize("status", [200, 403])
def test_a_balance_that_is_refused(result: Any, status: int) -> None:
    api, transport = client(json_answer({"result": result, "data": None, "msg": "签名错误"}, status))
    with pytest.raises(AccountError) as caught:
        api.balance()
    assert caught.value.message.startswith('/merchant/getBalance was refused ("签名错误"). The call was for domain=')
    assert caught.value.as_result()["http_status"] == status
    assert "code" not in caught.value.as_result()
    assert len(transport.sent) == 1


@pytest.mark.parametrize("message", [None, "", 7, ["x"], {"a": 1}], ids=repr)
def test_a_refusal_without_words(message: Any) -> None:
    api, _transport = client(json_answer({"Code": 7, "Message": message, "RequestId": message}))
    with pytest.raises(AccountError) as caught:
        api.lines(115)
    assert caught.value.message.startswith("/physical-product/lineList was refused with code 7. The call was for ")
    assert set(caught.value.as_result()) == {"msg", "code", "endpoint", "http_status"}


def test_a_success_with_the_status_of_a_failure_is_none() -> None:
    api, _transport = client(json_answer({"Code": 0, "Data": pages.LINES}, 403))
    with pytest.raises(AccountError, match="refused with code 0"):
        api.lines(115)


# --- clocks


def dated(seconds: float) -> HttpResponse:
    body = {"Code": 408, "Message": "time已过期"}
    return json_answer(body, Date=email.utils.formatdate(NOW + seconds, usegmt=True))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3600, "is 3600 seconds ahead of the vendor's"),
        (3600, "is 3600 seconds behind the vendor's"),
        (-61, "is 61 seconds ahead of"),
        (86400 * 365, "is 31536000 seconds behind"),
    ],
)
def test_a_wrong_clock_is_named_in_the_error(seconds: float, words: str) -> None:
    api, _transport = client(dated(seconds))
    with pytest.raises(AccountError) as caught:
        api.lines(115)
    assert words in caught.value.message
    assert "set the clock" in caught.value.message
    # It may have been refused for what it asked for, all the same.
    assert "time已过期" in caught.value.message
    assert "productId=115" in caught.value.message


@pytest.mark.parametrize("seconds", [-60, -1, 0, 1, 60])
def test_a_clock_that_is_right_is_not_blamed(seconds: float) -> None:
    api, _transport = client(dated(seconds))
    with pytest.raises(AccountError) as caught:
        api.lines(115)
    assert "clock" not in caught.value.message


@pytest.mark.parametrize("date", ["", "soon", "Fri, 99 Xyz 2026 00:00:00 GMT", "1700000000"])
def test_a_response_without_a_date_leaves_the_clock_open(date: str) -> None:
    api, _transport = client(json_answer({"Code": 408}, Date=date))
    with pytest.raises(AccountError, match="whether the clock of this machine is right"):
        api.lines(115)


# --- tries


TRANSIENT: dict[str, HttpResponse | TransportError] = {
    "lost": TransportError("it was lost", endpoint=PACKAGES, effect=Effect.UNKNOWN),
    "never sent": TransportError("it was not sent", endpoint=PACKAGES, effect=Effect.NOT_SENT),
    "500": HttpResponse(500, "<h1>Internal Server Error</h1>", {}),
    "502": HttpResponse(502, "<h1>Bad Gateway</h1>", {}),
    "503": HttpResponse(503, "", {"Retry-After": "3"}),
    "504": HttpResponse(504, "", {}),
    "429": HttpResponse(429, '{"Code": 1}', {}),
    "HTML": HttpResponse(200, "<html>maintenance</html>", {}),
    "empty": HttpResponse(200, "", {}),
    "truncated": HttpResponse(200, '{"Code": 0, "Data": [{"Lin', {}),
    "deep": HttpResponse(200, "[" * 100000, {}),
    "no object": HttpResponse(200, "[]", {}),
    "null": HttpResponse(200, "null", {}),
    "no code": HttpResponse(200, '{"Data": []}', {}),
    "code of a wrong type": HttpResponse(200, '{"Code": true, "Data": []}', {}),
    "code is a list": HttpResponse(200, '{"Code": [0], "Data": []}', {}),
    "code is null": HttpResponse(200, '{"Code": null, "Data": []}', {}),
    "code is empty": HttpResponse(200, '{"Code": "", "Data": []}', {}),
    "success of a broken server": HttpResponse(500, '{"Code": 0, "Data": []}', {}),
    "refusal of a broken server": HttpResponse(503, '{"Code": 401, "Message": "x"}', {}),
}


@pytest.mark.parametrize("kind", TRANSIENT)
def test_transient_failures_are_retried_and_counted(kind: str) -> None:
    api, transport = client(TRANSIENT[kind], TRANSIENT[kind], enveloped(pages.PACKAGES))
    assert len(api.packages(104)) == 2
    report = api.usage()
    assert (len(transport.sent), report["calls"], report["retries"]) == (3, 3, 2)
    assert report["waited_seconds"] >= (6 if kind == "503" else 1)


@pytest.mark.parametrize("kind", TRANSIENT)
def test_what_stays_is_one_error_in_the_end(kind: str) -> None:
    api, transport = client(TRANSIENT[kind])
    with pytest.raises(TransportError) as caught:
        api.packages(104)
    assert len(transport.sent) == DEFAULT_RETRIES + 1
    assert APP_KEY not in reported(caught.value)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("body", [{"result": None}, {"result": [True]}, {"data": "1.00"}, {"result": {}}], ids=repr)
def test_a_balance_without_a_result_is_unusable(body: Any) -> None:
    api, transport = client(json_answer(body))
    with pytest.raises(TransportError, match="not the vendor's JSON"):
        api.balance()
    assert len(transport.sent) == DEFAULT_RETRIES + 1


@pytest.mark.parametrize("path", ALL)
def test_each_call_is_tried_again(path: str) -> None:
    good = json_answer({"result": True, "data": "1.00"}) if path == BALANCE else enveloped(CALLS[path][1])
    api, transport = client(HttpResponse(502, "", {}), good)
    ALL[path](api)
    assert transport.paths == [path, path]


def test_each_try_is_signed_with_its_own_time() -> None:
    api, transport = client(HttpResponse(502, "", {}), HttpResponse(502, "", {}), enveloped([]))
    times = iter([NOW, NOW + 40, NOW + 100])
    api._now = lambda: next(times)
    api.lines(115)
    assert [sent["time"] for sent in transport.sent] == ["1700000000", "1700000040", "1700000100"]
    identity = Identity(APP_ID, APP_KEY, DOMAIN)
    assert [sent["sign"] for sent in transport.sent] == [identity.signed(NOW + add)["sign"] for add in (0, 40, 100)]
    assert len({sent["sign"] for sent in transport.sent}) == 3


@pytest.mark.parametrize("kind", TRANSIENT)
def test_without_a_budget_there_is_one_try(kind: str) -> None:
    api, transport = client(TRANSIENT[kind], max_wait=0.0)
    with pytest.raises(TransportError) as caught:
        api.packages(104)
    assert "max_wait" not in caught.value.message
    assert len(transport.sent) == 1


def test_the_budget_holds_for_all_pages_together() -> None:
    waits: list[float] = []
    api, transport = client(HttpResponse(503, "", {"Retry-After": "20"}), max_wait=50.0)
    api.budget.sleep = waits.append
    # Every other call is refused a while.
    full = enveloped([{"Suid": str(number)} for number in range(PAGE_SIZE)])
    other = enveloped([{"Suid": str(PAGE_SIZE - 1 + number)} for number in range(PAGE_SIZE - 1)])
    rest = HttpResponse(503, "", {"Retry-After": "20"})
    transport.script = [rest, full, rest, other, rest]
    with pytest.raises(TransportError, match="HTTP 503"):
        api.instances()
    assert len(waits) == 2
    assert 40 <= sum(waits) == api.budget.waited <= 50


FINAL: dict[str, HttpResponse] = {
    "302": HttpResponse(302, "", {"Location": "https://elsewhere.example/?sign=x"}),
    "301 with a success": json_answer({"Code": 0, "Data": []}, 301, Location="https://elsewhere.example/"),
    "307 with HTML": HttpResponse(307, "<html>moved</html>", {}),
    "404": HttpResponse(404, "<h1>Not Found</h1>", {}),
    "403": HttpResponse(403, "Forbidden", {}),
    "404 with JSON of another": json_answer({"message": "no Route matched"}, 404),
}


@pytest.mark.parametrize("kind", FINAL)
def test_what_stays_as_it_is_is_not_tried_again(kind: str) -> None:
    api, transport = client(FINAL[kind])
    with pytest.raises(TransportError) as caught:
        api.lines(115)
    assert len(transport.sent) == 1
    assert "check account_url" in caught.value.message
    assert ("redirect" in caught.value.message) is kind.startswith("30")
    assert "elsewhere" not in reported(caught.value)


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        (INSTANCES, [{"Suid": ["1"]}], "suid is not text"),
        (INSTANCES, [{"Ip": "198.51.100.1"}], "Suid is missing"),
        (INSTANCES, "none", "Data is neither a list nor an object"),
        (INSTANCES, ["1"], "a service is not an object"),
        (PACKAGES, [{"Cpu": True}], "cpu is not text"),
        (PACKAGES, {"list": [], "total": 0}, "a package has none of the documented values"),
        ("/physical-product/lineList", {"1": 7}, "a line is not an object"),
        ("/cloud-business/packageOrderPrice", {"TotalPrice": "5"}, "OriginalPrice is not an amount"),
        ("/cloud-business/packageOrderPrice", None, "Data contains 0 objects instead of a price"),
        ("/proxyip/resourceView", [], "Data contains 0 objects instead of a proxy service"),
        (BALANCE, "much", "data is not an amount"),
        (BALANCE, None, "data is not an amount"),
    ],
)
def test_data_of_another_shape_is_one_error_at_once(path: str, data: Any, words: str) -> None:
    answer = json_answer({"result": True, "data": data}) if path == BALANCE else enveloped(data)
    api, transport = client(answer)
    with pytest.raises(TransportError) as caught:
        ALL[path](api)
    assert caught.value.message == f"{path}: the response cannot be read: {words}."
    assert len(transport.sent) == 1


# --- pages


def page_of(suids: list[str], sent: Sent, *, ignores: tuple[str, ...] = (), mapped: bool = True) -> HttpResponse:
    """The page of a vendor with these services, who may ignore what page is asked for."""
    offset = 0 if "offset" in ignores else int(sent["offset"])
    limit = len(suids) if "limit" in ignores else min(int(sent["limit"]), PAGE_SIZE)
    rows = [{"Suid": suid} for suid in suids[offset : offset + limit]]
    return enveloped({str(number): row for number, row in enumerate(rows, 1)} if mapped else rows)


def numbered(total: int) -> list[str]:
    return [f"s{number}" for number in range(total)]


def server(total: int, **options: Any) -> Callable[[Sent], HttpResponse]:
    return lambda sent: page_of(numbered(total), sent, **options)


def changing(*lists: list[str]) -> list[Callable[[Sent], HttpResponse]]:
    """A vendor whose services are another list at each call, and the last one for ever."""
    return [functools.partial(page_of, suids) for suids in lists]


def suids_of(rows: list[dict[str, Any]]) -> list[str]:
    return [row["suid"] for row in rows]


@pytest.mark.parametrize(
    ("total", "calls"),
    [(0, 1), (1, 1), (49, 1), (50, 2), (51, 2), (97, 2), (98, 3), (100, 3), (145, 3), (146, 4), (1000, 21), (1001, 21)],
)
@pytest.mark.parametrize("mapped", [True, False], ids=["map", "list"])
def test_all_pages_are_read(total: int, calls: int, mapped: bool) -> None:
    api, transport = client(server(total, mapped=mapped))
    assert suids_of(api.instances(104)) == numbered(total)
    # Each page begins with the last service of the one before.
    pages_asked = [(0, 50), *((49 + 48 * page, 49) for page in range(calls - 1))]
    assert [(int(sent["offset"]), int(sent["limit"])) for sent in transport.sent] == pages_asked
    assert api.usage()["calls"] == calls


@pytest.mark.parametrize(("total", "calls"), [(0, 1), (30, 1), (49, 1), (50, 2), (51, 1), (100, 1), (730, 1)])
def test_a_server_that_ignores_the_page_is_called_once(total: int, calls: int) -> None:
    # With exactly a page of them, only another call can tell that it was all.
    api, transport = client(server(total, ignores=("offset", "limit")))
    assert suids_of(api.instances(104)) == numbered(total)
    assert len(transport.sent) == calls


@pytest.mark.parametrize("total", [50, 51, 400])
def test_a_server_that_repeats_the_first_page_is_an_error_and_no_shorter_list(total: int) -> None:
    api, transport = client(server(total, ignores=("offset",)))
    with pytest.raises(TransportError) as caught:
        api.instances(104)
    assert caught.value.message == (
        "/cloud-business/getDetail: the list of services cannot be read completely, because the vendor repeats the "
        "first page: request a brand with fewer than 50 services."
    )
    assert len(transport.sent) == 2


def test_less_than_a_page_is_complete_though_the_server_ignores_the_offset() -> None:
    api, transport = client(server(49, ignores=("offset",)))
    assert suids_of(api.instances(104)) == numbered(49)
    assert len(transport.sent) == 1


@pytest.mark.parametrize("total", [50, 97, 120])
@pytest.mark.parametrize("gone", [0, 7, 48, 49])
def test_a_service_that_ends_on_a_page_that_was_read_hides_no_other(total: int, gone: int) -> None:
    before = numbered(total)
    left = [suid for suid in before if suid != f"s{gone}"]
    api, transport = client(*changing(before, left))
    assert set(suids_of(api.instances(104))) == set(left)
    assert [int(sent["offset"]) for sent in transport.sent[:3]] == [0, 49, 0]


@pytest.mark.parametrize("gone", [60, 96])
def test_a_service_that_ends_on_a_later_page_that_was_read_hides_no_other(gone: int) -> None:
    before = numbered(200)
    left = [suid for suid in before if suid != f"s{gone}"]
    api, transport = client(*changing(before, before, left))
    assert set(suids_of(api.instances(104))) == set(left)
    assert [int(sent["offset"]) for sent in transport.sent[:4]] == [0, 49, 97, 0]


def test_several_services_that_end_hide_no_other() -> None:
    before = numbered(170)
    api, _transport = client(*changing(before, before[30:], before[60:]))
    assert set(suids_of(api.instances(104))) >= set(before[60:])


def test_a_service_that_ends_on_a_page_that_was_not_read_needs_no_other_listing() -> None:
    before = numbered(120)
    api, transport = client(*changing(before, before[:80] + before[81:]))
    assert suids_of(api.instances(104)) == before[:80] + before[81:]
    assert [int(sent["offset"]) for sent in transport.sent] == [0, 49, 97]


def test_a_service_on_two_pages_is_returned_once() -> None:
    # One was bought in between, and is the first now, so that two of the first page are on the second.
    before = numbered(60)
    api, transport = client(*changing(before, ["new", *before]))
    assert suids_of(api.instances()) == before
    assert len(transport.sent) == 2


def test_the_order_of_the_services_on_a_page_does_not_matter() -> None:
    def backwards(sent: Sent) -> HttpResponse:
        rows = [{"Suid": suid} for suid in numbered(120)]
        first = int(sent["offset"])
        return enveloped(rows[first : first + int(sent["limit"])][::-1])

    api, transport = client(backwards)
    assert set(suids_of(api.instances())) == set(numbered(120))
    assert len(transport.sent) == 3


def test_a_list_that_changes_each_time_is_an_error_and_no_shorter_list() -> None:
    before = numbered(200)
    api, transport = client(*changing(*(before[number:] for number in range(10))))
    with pytest.raises(TransportError) as caught:
        api.instances(104)
    assert caught.value.message == (
        "/cloud-business/getDetail: the list of services cannot be read completely, because it changed each time "
        "that it was read: run this again later."
    )
    assert [int(sent["offset"]) for sent in transport.sent] == [0, 49, 0, 49, 0, 49]


def test_a_list_without_end_is_an_error_and_no_shorter_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_client, "MAX_PAGES", 3)
    api, transport = client(server(1000))
    with pytest.raises(TransportError, match="because it has more than 3 pages"):
        api.instances(104)
    assert len(transport.sent) == 3


def test_one_service_is_one_call() -> None:
    api, transport = client(enveloped([{"Suid": str(number)} for number in range(50)]))
    assert len(api.instances(None, "7")) == 50
    assert len(transport.sent) == 1


def test_a_lost_page_is_read_again_and_the_others_are_not() -> None:
    api, transport = client(server(120))
    good = transport.script[0]
    transport.script = [good, HttpResponse(502, "", {}), HttpResponse(200, "<html>", {}), good]
    assert len(api.instances(104)) == 120
    assert [sent["offset"] for sent in transport.sent] == ["0", "49", "49", "49", "97"]


def test_a_refused_page_is_an_error_and_no_shorter_list() -> None:
    api, transport = client(server(120))
    transport.script = [transport.script[0], json_answer({"Code": 408, "Message": "time"})]
    with pytest.raises(AccountError, match="offset=49"):
        api.instances(104)


# --- secrets


SHOWN = (APP_KEY, SIGN)
PASSWORDS = ("Login_password", "business_password", "ADSL_PASSWORD", "Authkey", "Auth_Key", "loginPassword")
ECHOES = {
    "plain": str,
    "quoted": lambda text: "".join(f"%{ord(sign):02X}" for sign in text),
    "JSON": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
    "HTML": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "upper case": str.upper,
    "in groups": lambda text: "-".join(re.findall("....", text)),
}


ECHOING: dict[str, Callable[[str], HttpResponse]] = {
    "page": lambda text: HttpResponse(200, f"<html>GET /x?sign={text}</html>", {}),
    "502": lambda text: HttpResponse(502, f"no {text}", {}),
    "404": lambda text: HttpResponse(404, f"no {text}", {}),
    "redirect": lambda text: HttpResponse(302, text, {"Location": f"https://elsewhere.example/?sign={text}"}),
    "refusal": lambda text: HttpResponse(200, f'{{"Code": 7, "Message": "{text}", "RequestId": "{text}"}}', {}),
    "code": lambda text: HttpResponse(200, f'{{"Code": "{text}"}}', {}),
    "data": lambda text: HttpResponse(200, f'{{"Code": 0, "Data": "{text}"}}', {}),
    "list of codes": lambda text: HttpResponse(200, f'{{"Code": ["{text}"]}}', {}),
    "name of a value": lambda text: HttpResponse(200, f'{{"{text}": 0}}', {}),
}


@pytest.mark.parametrize(("answer", "secret"), combined(ECHOING, SHOWN))
def test_no_text_quotes_a_secret(answer: str, secret: str) -> None:
    for spelling in ECHOES.values():
        api, _transport = client(ECHOING[answer](spelling(secret)))
        with pytest.raises(QgError) as caught:
            api.lines(115)
        shown = reported(caught.value)
        plain = "".join(filter(str.isalnum, shown)).casefold()
        assert secret not in plain
        assert quote(secret) not in shown


@pytest.mark.parametrize(
    "body",
    [
        '{{"Data": {{"1": {{"{name}": "hidden"}}}}}}',
        '{{"Code": true, "Data": {{"{name}": "hidden"}}}}',
        '{{"Code": 0, "Data": {{"{name}": "hidden", "Suid',
        '{{"Code": [], "{name}":"hidden"}}',
        "<html>{name}=hidden</html>",
        '{{"Code": 0, "Data": {{"1": {{"Suid": "1", "{name}": ["hidden"]}}}}}}',
    ],
)
def test_an_answer_that_cannot_be_read_does_not_show_its_passwords(body: str) -> None:
    for status, name in itertools.product((200, 404, 500), PASSWORDS):
        api, _transport = client(HttpResponse(status, body.format(name=name), {}))
        for call in (api.instances, functools.partial(api.proxy_plan, "x", 117)):
            try:
                shown = str(call())
            except QgError as error:
                shown = reported(error)
            assert "hidden" not in shown


def test_what_is_no_secret_is_still_shown_of_such_an_answer() -> None:
    api, _transport = client(HttpResponse(200, '{"error": "maintenance until 5", "Login_password": "hidden"}', {}))
    with pytest.raises(TransportError, match="maintenance until 5"):
        api.instances()


def test_passwords_are_returned_only_on_request() -> None:
    api, _transport = client(enveloped(pages.INSTANCES))
    assert "sdfsfdf" not in str(api.instances())
    assert str(api.instances(include_secrets=True)).count("sdfsfdf") == 2
    api, _transport = client(enveloped(pages.PROXY_PLAN))
    assert "QGDEMO01" not in str(api.proxy_plan("x", 117))
    assert api.proxy_plan("x", 117, include_secrets=True)["authkey"] == "QGDEMO01"


# --- options


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"app_id": " "}, "app_id is empty: give the appid of the vendor's page Agent, or leave the option out to use"),
        (
            {"app_key": ""},
            "app_key is empty: give the appkey of the vendor's page Agent, or leave the option out to use",
        ),
        ({"domain": ""}, "domain='' is not a host name: give the site of the account, such as www.qg.net."),
        ({"domain": "https://www.qg.net"}, "domain='https://www.qg.net' is not a host name"),
        ({"domain": "www.qg.net/api"}, "domain='www.qg.net/...' is not a host name"),
        ({"account_url": "www.qg.net/api"}, "account_url 'www.qg.net/...' cannot be used: give scheme and host, such"),
        ({"account_url": "ftp://www.qg.net"}, "such as https://www.qg.net/api."),
        (
            {"account_url": f"https://www.qg.net/api?appkey={APP_KEY}"},
            "account_url must contain only scheme, host",
        ),
        ({"account_url": f"https://me:{APP_KEY}@www.qg.net/api"}, "account_url contains a user name, a password or"),
        ({"account_url": "https://www.qg.net/api#x"}, "account_url must contain only scheme, host and path"),
        ({"timeout": 0.0}, "timeout=0 is out of range: give a number from 0.1 to 600."),
        ({"timeout": float("nan")}, "timeout=nan is out of range"),
        ({"max_wait": -1.0}, "max_wait=-1 is out of range: give a number from 0 to 86400."),
        ({"max_wait": 1e400}, "max_wait=inf is out of range"),
        ({"ca_path": "/nonexistent/ca.pem"}, "ca_path /nonexistent/ca.pem cannot be used: No such file or directory."),
    ],
)
def test_a_mistake_in_an_option_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        account_api(options(**changes), SILENT)
    assert words in caught.value.message
    assert APP_KEY not in reported(caught.value)


def test_blanks_around_credentials_do_not_count() -> None:
    api, transport = client(enveloped([]), app_id=f" {APP_ID}\n", app_key=f"{APP_KEY}\n", domain=" www.qg.net ")
    api.lines(115)
    assert (transport.sent[0]["appid"], transport.sent[0]["sign"]) == (APP_ID, SIGN)


@pytest.mark.parametrize(
    "url", ["https://account.example/api", "https://account.example/api/", "https://account.example/api//"]
)
def test_a_slash_at_the_end_of_the_address_does_not_count(url: str) -> None:
    api, transport = client(enveloped([]), account_url=url)
    api.lines(115)
    assert transport.paths == ["/physical-product/lineList"]
