# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the account API: what it sends, how it reads responses, and when it tries again."""

from __future__ import annotations

import email.utils
import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account import PAGE_SIZE, Account, Identity
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import RETRIES, HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    Effect,
    QgError,
    TransportError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Clock, Runtime, WaitBudget, use
from support import vendor_pages as pages
from support.parameters import spread
from support.scripted_transport import Parameters, ScriptedTransport, Step, json_response

URL = "https://account.example/api"
IDENTITY = Identity("qgdemo01", "0123456789abcdef0123", "www.qg.net")
APP_KEY = IDENTITY.app_key
NOW = 1700000000.0
SIGN = "ad958eb5e4d73bc42bc2405599287116"
BALANCE, INSTANCES, PACKAGES = "/merchant/getBalance", "/cloud-business/getDetail", "/cloud-product/packageList"
LINES, PLAN, PRICE = "/physical-product/lineList", "/proxyip/resourceView", "/cloud-business/packageOrderPrice"
Call = Callable[[Account], Any]


@pytest.fixture(autouse=True)
def times() -> Iterator[list[float]]:
    """The next times of the clock, the last one for ever."""
    left = [NOW]
    with use(Runtime(clock=Clock(wall=lambda: left.pop(0) if len(left) > 1 else left[0]))):
        yield left


def client(*script: Step, url: str = URL, max_wait: float = 300.0) -> tuple[Account, ScriptedTransport]:
    """A client that does not wait."""
    transport = ScriptedTransport(*script)
    transport.url_option = "account_url"
    budget = WaitBudget(max_wait, sleep=lambda _seconds: None)
    return Account(transport, budget, url=url, identity=IDENTITY), transport


def enveloped(data: Any, code: Any = 0) -> HttpResponse:
    return json_response({"RequestId": "R-1", "Code": code, "Message": "返回内容", "Data": data})


def balance_of(result: Any, data: Any = None, status: int = 200) -> HttpResponse:
    """A response in the envelope that only the balance has."""
    return json_response({"result": result, "data": data, "msg": "签名错误" if data is None else None}, status)


def reported(error: QgError) -> str:
    """All that an error could show, which is one line."""
    assert "\n" not in error.message
    return f"{error.message} {error.details} {error!r}"


#: Each call except that of the balance: how it is made, the data of a success, and the result.
CALLS: dict[str, tuple[Call, Any, Any]] = {
    INSTANCES: (lambda api: api.instances(104), pages.INSTANCES, [pages.INSTANCE]),
    PACKAGES: (lambda api: api.packages(104)[:1], pages.PACKAGES, [pages.PACKAGE]),
    PRICE: (lambda api: api.order_price("1", "1", "1m"), pages.PRICES, pages.PRICE),
    LINES: (lambda api: api.lines(115), pages.LINES, [pages.LINE]),
    PLAN: (lambda api: api.proxy_plan("demo0001", 117), pages.PROXY_PLAN, pages.PLAN),
}
ALL: dict[str, tuple[Call, HttpResponse]] = {
    **{path: (call, enveloped(data)) for path, (call, data, _result) in CALLS.items()},
    BALANCE: (lambda api: api.balance(), balance_of(True, "1.00")),
}
LISTS = (INSTANCES, PACKAGES, LINES)

# --- what is sent


@pytest.mark.parametrize(
    ("path", "call", "parameters"),
    [
        (BALANCE, lambda api: api.balance(), {}),
        (INSTANCES, lambda api: api.instances(), {"offset": "0", "limit": "50"}),
        (
            INSTANCES,
            lambda api: api.instances(104, "77"),
            {"productId": "104", "suid": "77", "offset": "0", "limit": "50"},
        ),
        (PACKAGES, lambda api: api.packages(104), {"productId": "104", "load_rate": "0"}),
        (
            PACKAGES,
            lambda api: api.packages(104, "ap-x", "ap-x-1", load_rate=True),
            {"productId": "104", "line_no": "ap-x", "area_no": "ap-x-1", "load_rate": "1"},
        ),
        (PRICE, lambda api: api.order_price("1", "2", "3m"), {"package_no": "1", "system_no": "2", "duration": "3m"}),
        (
            PRICE,
            lambda api: api.order_price("1", "2", "3m", 104),
            {"productId": "104", "package_no": "1", "system_no": "2", "duration": "3m"},
        ),
        (LINES, lambda api: api.lines(115), {"productId": "115"}),
        (PLAN, lambda api: api.proxy_plan("demo0001", 117), {"resource_no": "demo0001", "productId": "117"}),
    ],
)
def test_a_call_sends_its_parameters_and_the_signature_but_not_the_key(
    path: str, call: Call, parameters: Parameters
) -> None:
    api, transport = client(ALL[path][1])
    call(api)
    (request,) = transport.requests
    assert (request.method, request.url) == ("GET", URL + path)
    signed = {"appid": "qgdemo01", "domain": "www.qg.net", "time": "1700000000", "sign": SIGN}
    assert request.parameters == {**parameters, **signed}


@pytest.mark.parametrize("end", ["/", "//"])
def test_a_slash_at_the_end_of_the_address_does_not_count(end: str) -> None:
    api, transport = client(enveloped([]), url=URL + end)
    api.lines(115)
    assert transport.requests[0].url == URL + LINES


# --- envelopes


@pytest.mark.parametrize(("code", "path"), spread([0, "0", 200, "200", 0.0, " 200 "], CALLS))
def test_every_code_of_a_success_is_accepted(path: str, code: Any) -> None:
    call, data, result = CALLS[path]
    api, transport = client(enveloped(data, code))
    assert call(api) == result
    assert len(transport.requests) == 1


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_the_keys_of_an_envelope_have_any_case(spelling: Callable[[str], str]) -> None:
    response = json_response({spelling("Code"): 0, spelling("Data"): pages.LINES})
    assert client(response)[0].lines(115) == [pages.LINE]


@pytest.mark.parametrize(
    "response",
    [
        *(balance_of(result, "12.30") for result in (True, "true", "True", 1, "1")),
        *(enveloped("12.30", code) for code in (0, "200")),
    ],
    ids=lambda response: response.text[:30],
)
def test_the_balance_comes_in_its_own_or_in_the_common_envelope(response: HttpResponse) -> None:
    assert client(response)[0].balance() == {"balance": "12.30", "amount": 12.3}


@pytest.mark.parametrize("path", LISTS)
def test_an_empty_list_has_several_shapes(path: str) -> None:
    for response in (*map(enveloped, ({}, [], None, "")), json_response({"Code": 0})):
        assert CALLS[path][0](client(response)[0]) == []


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
    api, transport = client(json_response(body, status))
    with pytest.raises(CallError) as caught:
        api.packages(4)
    message = caught.value.message
    assert caught.value.as_result() == {
        "msg": message,
        "error": {
            "code": str(code),
            "meaning": "品牌编号不存在",
            "endpoint": PACKAGES,
            "http_status": status,
            "request_id": "R-7",
        },
    }
    assert message.startswith(f'{PACKAGES} was refused with code {code} ("品牌编号不存在"). ')
    assert "The call was for productId=4, load_rate=0, domain=www.qg.net, appid=qgdemo01: check that" in message
    assert APP_KEY not in reported(caught.value)
    assert SIGN not in reported(caught.value)
    assert (len(transport.requests), api.caller.usage()["retries"]) == (1, 0)


@pytest.mark.parametrize("path", ALL)
def test_each_call_is_tried_again_after_a_failure_but_not_after_a_refusal(path: str) -> None:
    call, success = ALL[path]
    api, transport = client(HttpResponse(502, "", {}), success)
    call(api)
    api, refusing = client(json_response({"Code": 7, "Message": "no"}))
    with pytest.raises(CallError, match=re.escape(path)):
        call(api)
    assert [request.endpoint for request in (*transport.requests, *refusing.requests)] == [path] * 3


@pytest.mark.parametrize(("result", "status"), spread([False, "false", 0, "0", "no"], [200, 403]))
def test_a_balance_that_is_refused(result: Any, status: int) -> None:
    api, transport = client(balance_of(result, status=status))
    with pytest.raises(CallError) as caught:
        api.balance()
    assert caught.value.message.startswith(
        '/merchant/getBalance was refused ("签名错误"). The signature was not accepted'
    )
    assert caught.value.as_result()["error"]["http_status"] == status
    assert "code" not in caught.value.as_result()["error"]
    assert len(transport.requests) == 1


@pytest.mark.parametrize("message", [None, "", 7, ["x"], {"a": 1}], ids=repr)
def test_a_refusal_without_words(message: Any) -> None:
    with pytest.raises(CallError) as caught:
        client(json_response({"Code": 7, "Message": message, "RequestId": message}))[0].lines(115)
    assert caught.value.message.startswith("/physical-product/lineList was refused with code 7. The call was for ")
    assert set(caught.value.as_result()["error"]) == {"code", "endpoint", "http_status"}


def test_one_service_is_one_call() -> None:
    api, transport = client(enveloped([{"Suid": str(number)} for number in range(50)]))
    assert (len(api.instances(None, "7")), len(transport.requests)) == (50, 1)


# --- clocks


def refusal_dated(date: str) -> str:
    """The message of a refusal with this date in its header."""
    api, _transport = client(json_response({"Code": 408, "Message": "time已过期"}, Date=date))
    with pytest.raises(CallError) as caught:
        api.lines(115)
    return caught.value.message


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3600, "is 3600 seconds ahead of the vendor's"),
        (3600, "is 3600 seconds behind the vendor's"),
        (-61, "is 61 seconds ahead of"),
        (86400 * 365, "is 31536000 seconds behind"),
    ],
)
def test_the_clock_is_named_in_a_refusal_if_it_is_wrong(seconds: float, words: str) -> None:
    message = refusal_dated(email.utils.formatdate(NOW + seconds, usegmt=True))
    assert words in message
    assert "set the clock" in message
    # It may have been refused for what it asked for, all the same.
    assert "time已过期" in message
    assert "productId=115" in message


@pytest.mark.parametrize("seconds", [-60, -1, 0, 1, 60])
def test_the_clock_is_not_named_in_a_refusal_if_it_is_right(seconds: float) -> None:
    assert "clock" not in refusal_dated(email.utils.formatdate(NOW + seconds, usegmt=True))


@pytest.mark.parametrize("date", ["", "soon", "Fri, 99 Xyz 2026 00:00:00 GMT", "1700000000"])
def test_a_response_without_a_date_leaves_the_clock_open(date: str) -> None:
    assert "whether the clock of this machine is right" in refusal_dated(date)


# --- tries


TRANSIENT: dict[str, HttpResponse | TransportError] = {
    "lost": TransportError("it was lost", endpoint=PACKAGES, effect=Effect.UNKNOWN),
    "never sent": TransportError("it was not sent", endpoint=PACKAGES, effect=Effect.NOT_SENT),
    "502": HttpResponse(502, "<h1>Bad Gateway</h1>", {}),
    "503": HttpResponse(503, "", {"Retry-After": "3"}),
    "504": HttpResponse(504, "", {}),
    "429": HttpResponse(429, '{"Code": 1}', {}),
    "HTML": HttpResponse(200, "<html>maintenance</html>", {}),
    "truncated": HttpResponse(200, '{"Code": 0, "Data": [{"Lin', {}),
}


@pytest.mark.parametrize("kind", TRANSIENT)
def test_transient_failures_are_retried_and_counted(kind: str) -> None:
    api, transport = client(TRANSIENT[kind], TRANSIENT[kind], enveloped(pages.PACKAGES))
    assert len(api.packages(104)) == 2
    report = api.caller.usage()
    assert (len(transport.requests), report["calls"], report["retries"]) == (3, 3, 2)
    assert report["waited_seconds"] >= (6 if kind == "503" else 1)


@pytest.mark.parametrize(("max_wait", "attempts"), [(300.0, RETRIES + 1), (0.0, 1)])
@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_failure_that_persists_is_one_error_in_the_end(kind: str, max_wait: float, attempts: int) -> None:
    api, transport = client(TRANSIENT[kind], max_wait=max_wait)
    with pytest.raises(TransportError) as caught:
        api.packages(104)
    assert len(transport.requests) == attempts
    assert APP_KEY not in reported(caught.value)
    assert "max_wait" not in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("body", [{"result": None}, {"result": [True]}, {"data": "1.00"}, {"result": {}}], ids=repr)
def test_a_balance_without_a_result_is_unusable(body: Any) -> None:
    with pytest.raises(TransportError, match="not the vendor's JSON"):
        client(json_response(body))[0].balance()


def test_each_try_is_signed_with_its_own_time(times: list[float]) -> None:
    times[:] = signed_at = [NOW, NOW + 40, NOW + 100]
    api, transport = client(*[HttpResponse(502, "", {})] * 2, enveloped([]))
    api.lines(115)
    assert transport.sent("time") == ["1700000000", "1700000040", "1700000100"]
    assert transport.sent("sign") == [IDENTITY.signed(time)["sign"] for time in signed_at]
    assert len(set(transport.sent("sign"))) == 3


@pytest.mark.parametrize(
    ("response", "is_redirect"),
    [
        (HttpResponse(302, "", {"Location": "https://elsewhere.example/?sign=x"}), True),
        (json_response({"Code": 0, "Data": []}, 301, Location="https://elsewhere.example/"), True),
        (HttpResponse(307, "<html>moved</html>", {}), True),
        (HttpResponse(404, "<h1>Not Found</h1>", {}), False),
        (HttpResponse(403, "Forbidden", {}), False),
        (json_response({"message": "no Route matched"}, 404), False),
    ],
)
def test_a_failure_that_another_attempt_cannot_change_is_not_tried_again(
    response: HttpResponse, is_redirect: bool
) -> None:
    api, transport = client(response)
    with pytest.raises(TransportError) as caught:
        api.lines(115)
    assert len(transport.requests) == 1
    assert ("check account_url" in caught.value.message, "redirect" in caught.value.message) == (True, is_redirect)
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
        (LINES, {"1": 7}, "a line is not an object"),
        (PRICE, {"TotalPrice": "5"}, "OriginalPrice is not an amount"),
        (PRICE, None, "Data contains 0 objects instead of a price"),
        (PLAN, [], "Data contains 0 objects instead of a proxy service"),
        (BALANCE, "much", "data is not an amount"),
        (BALANCE, None, "data is not an amount"),
    ],
)
def test_data_of_another_shape_is_one_error_at_once(path: str, data: Any, words: str) -> None:
    api, transport = client(balance_of(True, data) if path == BALANCE else enveloped(data))
    with pytest.raises(TransportError) as caught:
        ALL[path][0](api)
    assert caught.value.message == f"{path}: the response cannot be read: {words}."
    assert len(transport.requests) == 1


# --- pages


def page_of(suids: list[str], sent: Parameters, *, ignores: tuple[str, ...] = (), mapped: bool = True) -> HttpResponse:
    """The page of a vendor with these services, who may ignore what page is asked for."""
    offset = 0 if "offset" in ignores else int(sent["offset"])
    limit = len(suids) if "limit" in ignores else min(int(sent["limit"]), PAGE_SIZE)
    rows = [{"Suid": suid} for suid in suids[offset : offset + limit]]
    return enveloped({str(number): row for number, row in enumerate(rows, 1)} if mapped else rows)


def numbered(total: int) -> list[str]:
    return [f"s{number}" for number in range(total)]


def server(total: int, **options: Any) -> Callable[[Parameters], HttpResponse]:
    return lambda sent: page_of(numbered(total), sent, **options)


def listing(*script: Step) -> tuple[list[str], list[int]]:
    """The services that a client lists, and the offsets that it asked for."""
    api, transport = client(*script)
    rows = api.instances(104)
    return [row["suid"] for row in rows], [int(offset) for offset in transport.sent("offset")]


def changing(*lists: list[str]) -> list[Step]:
    """A vendor whose services are another list at each call, and the last one for ever."""
    return [functools.partial(page_of, suids) for suids in lists]


@pytest.mark.parametrize(
    ("total", "calls"),
    [(0, 1), (1, 1), (49, 1), (50, 2), (51, 2), (99, 2), (100, 3), (101, 3), (1000, 21), (1001, 21)],
)
@pytest.mark.parametrize("mapped", [True, False], ids=["map", "list"])
def test_all_pages_are_read(total: int, calls: int, mapped: bool) -> None:
    api, transport = client(server(total, mapped=mapped))
    assert [row["suid"] for row in api.instances(104)] == numbered(total)
    assert [int(offset) for offset in transport.sent("offset")] == [50 * page for page in range(calls)]
    assert api.caller.usage()["calls"] == calls


@pytest.mark.parametrize(
    ("total", "calls", "ignores"),
    [
        *((total, 1, ("offset", "limit")) for total in (0, 30, 49, 51, 100, 730)),
        (49, 1, ("offset",)),
    ],
)
def test_a_server_that_ignores_the_page_is_called_once(total: int, calls: int, ignores: tuple[str, ...]) -> None:
    found, offsets = listing(server(total, ignores=ignores))
    assert (found, len(offsets)) == (numbered(total), calls)


def test_a_service_on_two_pages_is_returned_once() -> None:
    # One was bought in between, and is the first now, so that two of the first page are on the second.
    before = numbered(60)
    assert listing(*changing(before, ["new", *before])) == (before, [0, 50])


def test_a_lost_page_is_read_again_and_the_others_are_not() -> None:
    good = server(120)
    found, offsets = listing(good, HttpResponse(502, "", {}), HttpResponse(200, "<html>", {}), good)
    assert (len(found), offsets) == (120, [0, 50, 50, 50, 100])


def test_a_refused_page_is_an_error_and_no_shorter_list() -> None:
    with pytest.raises(CallError, match="was refused with code 408"):
        listing(server(120), json_response({"Code": 408, "Message": "time"}))


# --- secrets


PASSWORDS = ("Login_password", "business_password", "ADSL_PASSWORD", "Authkey", "Auth_Key", "loginPassword")
#: Status and text of a response that repeats a secret.
ECHOING: dict[str, tuple[int, str]] = {
    "page": (200, "<html>GET /x?sign=SECRET</html>"),
    "502": (502, "no SECRET"),
    "404": (404, "no SECRET"),
    "redirect": (302, "SECRET"),
    "refusal": (200, '{"Code": 7, "Message": "SECRET", "RequestId": "SECRET"}'),
    "code": (200, '{"Code": "SECRET"}'),
    "data": (200, '{"Code": 0, "Data": "SECRET"}'),
    "list of codes": (200, '{"Code": ["SECRET"]}'),
    "name of a value": (200, '{"SECRET": 0}'),
}


@pytest.mark.parametrize("secret", [APP_KEY, SIGN])
@pytest.mark.parametrize("response", ECHOING)
def test_no_text_quotes_a_secret(response: str, secret: str) -> None:
    status, text = ECHOING[response]
    headers = {"Location": f"https://elsewhere.example/?sign={secret}"} if status == 302 else {}
    api, _transport = client(HttpResponse(status, text.replace("SECRET", secret), headers))
    with pytest.raises(QgError) as caught:
        api.lines(115)
    assert secret not in reported(caught.value)


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
def test_a_response_that_cannot_be_read_does_not_show_its_passwords(body: str) -> None:
    for status, name in itertools.product((200, 404, 500), PASSWORDS):
        api, _transport = client(HttpResponse(status, body.format(name=name), {}))
        for call in (api.instances, functools.partial(api.proxy_plan, "x", 117)):
            try:
                shown = str(call())
            except QgError as error:
                shown = reported(error)
            assert "hidden" not in shown


def test_the_text_before_a_password_is_still_shown_of_such_a_response() -> None:
    with pytest.raises(TransportError, match="maintenance until 5"):
        client(json_response({"error": "maintenance until 5", "Login_password": "hidden"}))[0].instances()
