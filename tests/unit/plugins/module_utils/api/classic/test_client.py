# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the client makes of options, answers and exceptions, without a network."""

from __future__ import annotations

import email.utils
import ipaddress
import logging
import os
import socket
import ssl
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.qingguo.qgnet.plugins.module_utils._api import transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import (
    VENDOR_CODES,
    ApiError,
    StatusError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.models import (
    ReportedChange,
    whitelist_change,
    whitelist_entries,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.models import quota as quota_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Lease
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import ResponseShapeError, as_int
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import (
    HttpResponse,
    Transport,
    encode,
    retry_after,
    service_of,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import numeric_order, packed
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    Effect,
    OptionError,
    TransportError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import check_addresses
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import proxy_api
from hypothesis import given
from hypothesis import strategies as st

KEY, PWD = "SECRETKEY1", "s3cr3t+pass/word"


def options(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "key": KEY,
        "pwd": PWD,
        "api_url": "https://api.example",
        "timeout": 10.0,
        "max_wait": 300.0,
        "validate_certs": True,
        "ca_path": None,
        "state_dir": str(tmp_path / "state"),
        "state_url": None,
    }
    return {**defaults, **changes}


class Script(Transport):
    """A transport that plays back answers and keeps what was sent."""

    def __init__(self, *script: HttpResponse | Exception) -> None:
        super().__init__(timeout=10)
        self.script = list(script)
        self.sent: list[tuple[str, str]] = []

    def _exchange(self, method: str, url: str, form: str | None, endpoint: str) -> HttpResponse:
        self.sent.append((method, form if form is not None else url))
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def client(tmp_path: Path, *script: HttpResponse | Exception) -> tuple[Any, Script]:
    api = proxy_api(options(tmp_path), SILENT)
    transport = Script(*script)
    api._transport = transport
    api.budget.sleep = lambda _seconds: None
    return api, transport


def json_answer(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(status, text, {})


@pytest.mark.parametrize("body", ['{"Code": 0}', '{"Code": 0, "Data": null}', '{"Code": "0", "Data": []}'])
def test_an_empty_list_has_three_forms(tmp_path: Path, body: str) -> None:
    api, _transport = client(tmp_path, json_answer(body))
    assert api.whitelist() == []


@pytest.mark.parametrize("code", sorted(VENDOR_CODES))
@pytest.mark.parametrize("status", [200, 400])
def test_each_documented_code_is_reported_with_meaning_and_fix(tmp_path: Path, code: int, status: int) -> None:
    api, transport = client(tmp_path, *[json_answer(f'{{"Code": {code}, "Msg": "text"}}', status)] * 9)
    with pytest.raises(ApiError) as caught:
        api.whitelist()
    details = caught.value.details
    assert (details["code"], details["endpoint"]) == (code, "/whitelist/query")
    assert VENDOR_CODES[code].meaning in caught.value.message
    assert VENDOR_CODES[code].fix in caught.value.message
    assert len(transport.sent) == (6 if code == -1 else 1), "not what is final, or takes longer than max_wait"


def test_an_undocumented_code_is_reported_too(tmp_path: Path) -> None:
    api, _transport = client(tmp_path, json_answer('{"Code": "-999"}'))
    with pytest.raises(ApiError, match="code -999"):
        api.whitelist()


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(200, f"<html>{KEY} {PWD} s3cr3t%2Bpass%2Fword</html>", {}),
        HttpResponse(502, f"Bad gateway for ?Key={KEY}", {}),
        HttpResponse(404, f"no {KEY}", {}),
        HttpResponse(302, "", {"Location": f"https://elsewhere.example/?Key={KEY}"}),
        HttpResponse(200, f'{{"Code": -1, "Msg": "{KEY}"}}', {}),
        HttpResponse(200, f'{{"Code": true, "Msg": "{KEY}"}}', {}),
        HttpResponse(200, f'["{KEY}"]', {}),
        HttpResponse(200, f'{{"Code": 0, "Data": "{KEY}"}}', {}),
        HttpResponse(200, f'{{"Code": 0, "Data": [["{KEY}"]]}}', {}),
        HttpResponse(429, "slow down", {"Retry-After": "1"}),
        HttpResponse(500, '{"Code": 0}', {}),
    ],
)
def test_no_message_quotes_a_secret(tmp_path: Path, answer: HttpResponse) -> None:
    api, _transport = client(tmp_path, *[answer] * 9)
    api.rate_limiter.block = lambda *_arguments: None
    with pytest.raises((ApiError, TransportError)) as caught:
        api.whitelist()
    shown = f"{caught.value.message} {caught.value.details} {caught.value!r}"
    assert KEY not in shown
    assert PWD not in shown
    assert "s3cr3t%2B" not in shown
    assert "/whitelist/query" in shown


def test_no_entry_that_is_not_an_address_quotes_a_secret(tmp_path: Path) -> None:
    api, _transport = client(tmp_path, json_answer(f'{{"Code": 0, "Data": ["{"x" * 90}{KEY}"]}}'))
    (entry,) = api.read_whitelist().unreadable
    assert KEY[:4] not in entry
    assert len(entry) <= 100


def test_a_read_is_repeated_after_a_transient_failure_and_that_is_reported(tmp_path: Path) -> None:
    lost = TransportError("lost", endpoint="/whitelist/query", effect=Effect.UNKNOWN)
    api, transport = client(tmp_path, lost, HttpResponse(503, "", {"Retry-After": "2"}), json_answer('{"Code": 0}'))
    assert api.whitelist() == []
    report = api.usage()
    assert (report["calls"], report["retries"], len(transport.sent)) == (3, 2, 3)
    assert report["waited_seconds"] >= 2


def test_a_write_whose_answer_was_lost_is_not_repeated_blindly(tmp_path: Path) -> None:
    api, transport = client(tmp_path, TransportError("lost", endpoint="/whitelist/add", effect=Effect.UNKNOWN))
    with pytest.raises(TransportError):
        api.add(["203.0.113.1"])
    assert len(transport.sent) == 1


def test_a_write_that_never_left_is_repeated(tmp_path: Path) -> None:
    unsent = TransportError("refused", endpoint="/whitelist/add", effect=Effect.NOT_SENT)
    api, transport = client(tmp_path, unsent, json_answer('{"Code": 0, "Data": ["203.0.113.1"], "Num": 1}'))
    assert api.add(["203.0.113.1"]).ips == {"203.0.113.1"}
    assert len(transport.sent) == 2


def test_the_failure_is_reported_and_not_the_waiting_where_max_wait_is_used_up(tmp_path: Path) -> None:
    lost = TransportError("the reason", endpoint="/whitelist/query", effect=Effect.UNKNOWN)
    api, transport = client(tmp_path, lost)
    api.budget.max_wait = 0
    with pytest.raises(TransportError, match="the reason"):
        api.whitelist()
    assert len(transport.sent) == 1


def test_a_long_list_is_one_form_and_a_short_one_a_query(tmp_path: Path) -> None:
    done = json_answer('{"Code": 0}')
    api, transport = client(tmp_path, done, done)
    (batch,) = api.batches([f"203.0.113.{n % 250}" for n in range(200)])
    api.add(batch)
    (batch,) = api.batches([f"{net}.{n}" for net in ("192.0.2", "198.51.100", "203.0.113") for n in range(250)])
    api.add(batch)
    assert [method for method, _text in transport.sent] == ["GET", "POST"]
    assert "IP=203.0.113.0,203.0.113.1," in transport.sent[0][1]


def test_without_forms_each_batch_fits_a_query(tmp_path: Path) -> None:
    api, _transport = client(tmp_path)
    api._forms = False
    batches = api.batches([f"203.0.113.{100 + n % 100}" for n in range(1000)])
    assert sum(len(batch) for batch in batches) == 1000
    assert len(batches) <= 6
    assert all(len(encode({"Key": KEY, "Pwd": PWD, "IP": ",".join(batch)})) <= 4000 for batch in batches)


def test_retry_after_has_two_forms() -> None:
    assert retry_after({"Retry-After": " 7 "}) == 7
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 28 < (retry_after({"Retry-After": date}) or 0) < 31
    assert retry_after({"Retry-After": email.utils.formatdate(0, usegmt=True)}) == 0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None


def test_a_call_that_hangs_before_any_byte_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments: time.sleep(2))
    with pytest.raises(TransportError, match=r"response from nowhere.example: it took longer than 0.2 seconds"):
        Transport(timeout=0.2).send("GET", "https://nowhere.example/x", {"Key": KEY}, "/x")


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the clock of Linux that a suspend does not stop")
def test_nothing_is_sent_after_a_suspend_that_was_longer_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile, another machine may have taken over, and paid for the same."""
    resolve, read, suspended = socket.getaddrinfo, time.clock_gettime, list[float]()

    def suspend(*arguments: Any, **named: Any) -> Any:
        suspended.append(3600.0)
        return resolve(*arguments, **named)

    def clock(number: int) -> float:
        return read(number) + (sum(suspended) if number == time.CLOCK_BOOTTIME else 0.0)

    monkeypatch.setattr(socket, "getaddrinfo", suspend)
    monkeypatch.setattr(time, "clock_gettime", clock)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TransportError) as caught:
        Transport(timeout=1).send("GET", f"http://127.0.0.1:{server.getsockname()[1]}/x", {"Key": KEY}, "/x")
    assert suspended
    assert caught.value.effect is Effect.NOT_SENT


def test_a_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login me password mine\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    transport = Transport(timeout=1)
    prepared = transport._session.prepare_request(requests.Request("GET", "http://127.0.0.1:9/"))
    assert "Authorization" not in prepared.headers


def tls_error(reason: str) -> ssl.SSLError:
    """An error of OpenSSL, whose number 1 is not that of the operating system."""
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("cause", "effect", "retryable", "words"),
    [
        (ssl.SSLCertVerificationError(1, "x"), Effect.NOT_SENT, False, "is not trusted"),
        (requests.exceptions.InvalidURL(f"?Key={KEY}"), Effect.NOT_SENT, False, "cannot be used"),
        (requests.exceptions.ConnectTimeout(f"?Key={KEY}"), Effect.NOT_SENT, True, "it took longer than 1 second"),
        (requests.exceptions.ReadTimeout(f"?Key={KEY}"), Effect.IN_FLIGHT, True, "it took longer than 1 second"),
        (
            requests.exceptions.ConnectionError(ConnectionResetError(104, "x")),
            Effect.UNKNOWN,
            True,
            "connection reset by peer",
        ),
        (requests.exceptions.ChunkedEncodingError(f"?Key={KEY}"), Effect.UNKNOWN, True, "chunked encoding error"),
        (transport.ResponseTooLarge(), Effect.UNKNOWN, True, "larger than any of the vendor's"),
        (transport.UnexpectedEncoding(), Effect.UNKNOWN, False, "a compressed response"),
        (
            requests.exceptions.SSLError(tls_error("UNSAFE_LEGACY_RENEGOTIATION_DISABLED")),
            Effect.UNKNOWN,
            True,
            "TLS failed",
        ),
    ],
)
def test_exceptions_are_put_in_words_without_their_text(
    cause: Exception, effect: Effect, retryable: bool, words: str
) -> None:
    error = Transport(timeout=1)._explain(cause, "api.example", "/x")
    assert (error.effect, error.retryable) == (effect, retryable)
    assert words in error.message
    assert KEY not in error.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": "  "}, "key is empty"),
        ({"api_url": "proxy.qg.net"}, "api_url 'proxy.qg.net' cannot be used"),
        ({"api_url": f"https://proxy.qg.net/?Key={KEY}"}, "api_url must contain only"),
        ({"api_url": "https://proxy.qg.net:0x1"}, "api_url"),
        ({"timeout": 0.0}, "timeout=0 is out of range: give a number from 0.1 to 600"),
        ({"max_wait": -1.0}, "max_wait=-1 is out of range"),
    ],
)
def test_a_mistake_in_an_option_is_one_sentence(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        proxy_api(options(tmp_path, **changes), SILENT)
    assert words in caught.value.message
    assert KEY not in caught.value.message


@given(st.ip_addresses(v=4).map(str))
def test_addresses_are_taken_in_canonical_form_and_once(text: str) -> None:
    assert check_addresses("ips", [f" {text}\n", text], only_global=False) == (text,)


@pytest.mark.parametrize(
    "text", ["", "203.0.113.256", "203.0.113.0/24", "2001:db8::1", "host.example", "203.0.113.05", "1"]
)
def test_what_the_whitelist_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="no IPv6, networks or names"):
        check_addresses("ips", [text], only_global=False)


def test_private_addresses_are_refused_where_the_vendor_is_meant() -> None:
    with pytest.raises(OptionError, match=r"ips contains 10.0.0.1, which is not an address of the public internet"):
        check_addresses("ips", ["8.8.8.8", "10.0.0.1"], only_global=True)


def test_numbers_may_come_as_text() -> None:
    quota = quota_of({"Code": 0, "Total": "5", "Available": 3, "Used": "2"})
    assert (quota.total, quota.available, quota.used) == (5, 3, 2)
    for bad in (None, True, 1.5, "many", []):
        with pytest.raises(ResponseShapeError):
            as_int(bad, "Total")
    with pytest.raises(ResponseShapeError, match="Available is not a number"):
        quota_of({"Total": 1, "Used": 1})


def test_entries_of_the_whitelist_are_kept_whatever_they_are() -> None:
    entries = whitelist_entries({"Data": ["9.9.9.9 ", "odd entry", "9.9.9.9", "9.9.9.9", 7, None]})
    assert entries.spellings == {"9.9.9.9": ("9.9.9.9 ", "9.9.9.9")}
    assert entries.unreadable == ("odd entry", "7", "null")


@pytest.mark.parametrize(
    ("body", "changed", "unclear"),
    [
        ({"Data": ["9.9.9.9", "9.9.9.9/32", "8.8.8.8"], "Num": 3}, {"8.8.8.8", "9.9.9.9"}, False),
        ({"Data": ["9.9.9.9", "8.8.8.8", "7.7.7.7"], "Num": 3}, {"8.8.8.8"}, False),
        ({"Data": [], "Num": "3"}, {"8.8.8.8", "9.9.9.9"}, False),
        ({"Num": 3}, {"8.8.8.8", "9.9.9.9"}, False),
        ({"Data": None, "Num": 2}, set(), True),
        ({"Num": 4}, set(), True),
        ({"Num": 0}, set(), False),
        ({"Data": []}, set(), False),
        ({"Num": "many"}, set(), True),
        ({}, set(), True),
    ],
)
def test_a_change_counts_for_the_addresses_that_are_named_or_if_none_is_for_the_number_of_all(
    body: dict[str, Any], changed: set[str], unclear: bool
) -> None:
    sent = {"8.8.8.8": ["8.8.8.8"], "9.9.9.9": ["9.9.9.9", "9.9.9.9/32"]}
    assert whitelist_change(body, sent) == ReportedChange(frozenset(changed), unclear)


def test_a_change_with_other_data_is_refused() -> None:
    with pytest.raises(ResponseShapeError):
        whitelist_change({"Data": [1], "Num": 1}, {"8.8.8.8": ["8.8.8.8"]})


@given(st.lists(st.ip_addresses(v=4) | st.ip_addresses(v=6), max_size=20))
def test_addresses_are_sorted_by_number(listed: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
    wanted = [str(address) for address in sorted(listed, key=lambda address: (address.version, int(address)))]
    assert numeric_order([*map(str, listed), "odd\0entry"]) == [*wanted, "odd\0entry"]


@given(
    st.text("0123456789.:x \0\N{FULLWIDTH DIGIT ONE}", max_size=16)
    | st.lists(st.integers(0, 300).map(str) | st.just("01"), min_size=3, max_size=5).map(".".join)
)
def test_an_address_is_what_the_standard_library_takes_for_one(text: str) -> None:
    try:
        wanted = ipaddress.IPv4Address(text).packed
    except ValueError:
        wanted = None
    assert packed(text) == wanted


def test_the_state_directory_is_private(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "state"
    state = State(str(directory))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for file in directory.iterdir():
        assert not stat.S_IMODE(file.stat().st_mode) & 0o022, file
    digest = state.digest("x", KEY)
    assert digest == State(str(directory)).digest("x", KEY)
    assert digest != State(str(tmp_path / "other")).digest("x", KEY), "digests are salted"
    assert all(KEY.encode() not in file.read_bytes() for file in directory.iterdir())
    state.close()


def test_a_state_directory_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OptionError, match=r"state_dir .* cannot be used: .*QG_STATE_DIR"):
        State(str(file / "below"))
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    with pytest.raises(OptionError, match="another user"):
        State(str(loose))
    broken = tmp_path / "broken"
    broken.mkdir(mode=0o700)
    (broken / "state.sqlite3").write_bytes(b"no database, but long enough to be read as one" * 50)
    with pytest.raises(OptionError, match="file is not a database"):
        State(str(broken))


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    with pytest.raises(RuntimeError), state.transaction() as database:
        database.execute("INSERT INTO rate_blocks VALUES ('k', 'e', 1)")
        raise RuntimeError
    with state.transaction() as database:
        assert database.execute("SELECT count(*) FROM rate_blocks").fetchone()[0] == 0


def test_a_lock_is_held_by_one_alone(tmp_path: Path) -> None:
    one, two = State(str(tmp_path)), State(str(tmp_path))
    with one.try_lock("x") as first, two.try_lock("x") as second, two.try_lock("y") as other:
        assert (first, second, other) == (True, False, True)
    with two.try_lock("x") as again:
        assert again


def test_nothing_of_this_needs_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    State("~/.ansible/qgnet")
    assert os.path.isdir(tmp_path / ".ansible" / "qgnet")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (json_answer('{"error": "wrong"}', 400), StatusError),
        (json_answer('{"error": "wrong"}'), StatusError),
        (json_answer('{"data": null, "error": "wrong"}'), StatusError),
        (json_answer('{"Code": -14}'), ApiError),
        (json_answer("{}"), TransportError),
        (json_answer('{"data": {}}'), TransportError),
        (json_answer('{"data": [{"uuid": ""}]}'), TransportError),
        (json_answer("no", 404), TransportError),
    ],
)
def test_calls_that_answer_by_status_are_refused_or_unreadable(
    tmp_path: Path, answer: HttpResponse, error: type[Exception]
) -> None:
    api, _transport = client(tmp_path, *[answer] * 6)
    with pytest.raises(error) as caught:
        api.monopolies()
    assert caught.value.__class__ is error


def test_an_unknown_error_by_status_is_tried_again_where_that_is_harmless(tmp_path: Path) -> None:
    api, transport = client(tmp_path, json_answer('{"error": "?"}', 500), json_answer('{"data": null}'))
    assert api.monopolies() == []
    assert len(transport.sent) == 2


def test_a_released_address_counts_beside_its_call(tmp_path: Path) -> None:
    api, _transport = client(tmp_path, *[json_answer('{"Code": 0}')] * 2)
    leases = [Lease.from_item({"IP": f"192.0.2.{n}", "port": 1}, "T") for n in range(2)]
    api.budget.max_wait = 0
    api.release(leases)
    # Without the channels known, the plan is taken for the smallest.
    with pytest.raises(WaitBudgetExceeded, match="limit of 2 a minute"):
        api.release(leases)


@pytest.mark.parametrize(
    "url", ["https://api.example", "http://api.example/", "https://API.example:443", "http://api.example.:80"]
)
def test_every_spelling_of_an_address_is_the_same_service(url: str) -> None:
    assert service_of(url) == "api.example"


def test_other_ports_and_paths_are_other_services() -> None:
    urls = ["http://api.example", "http://api.example:443", "http://api.example:8080", "http://api.example/v2/"]
    assert len({service_of(url) for url in urls}) == len(urls)


def test_runs_that_spell_the_address_differently_share_the_lock_and_the_count(tmp_path: Path) -> None:
    urls = ["https://api.example", "http://API.example:80/"]
    assert len({proxy_api(options(tmp_path, api_url=url), SILENT).key_digest for url in urls}) == 1


def test_a_server_with_strange_headers_brings_no_key_into_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 warns of headers that it cannot read, and quotes the URL with its query."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno header at all\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection = server.accept()[0]
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with caplog.at_level(logging.DEBUG):
            port = server.getsockname()[1]
            Transport(timeout=5).send("GET", f"http://127.0.0.1:{port}/x", {"Key": KEY}, "/x")
    assert KEY not in caplog.text
    # Other lines of the library are still there.
    assert "Starting new HTTP connection" in caplog.text
