# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange: its deadline, its errors in words, and what it keeps out of requests and logs."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.deadline_session import (
    LimitedSession,
    ResponseTooLarge,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import (
    LOGGERS,
    Transport,
    UnexpectedEncoding,
    keep_queries_out,
    retry_after,
    service_of,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, TransportError

KEY = "SECRETKEY1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


@contextlib.contextmanager
def server(headers: bytes = OK) -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a server that answers one request with these headers, and the requests that it received."""
    received: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            received.append(connection.recv(65536))
            connection.sendall(headers + b"\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x", received


def test_retry_after_has_two_forms() -> None:
    assert retry_after({"Retry-After": " 7 "}) == 7
    now = email.utils.formatdate(1700000000, usegmt=True)
    assert retry_after({"Retry-After": email.utils.formatdate(1700000030, usegmt=True), "Date": now}) == 30
    # Without the date of the server, the clock of this machine decides.
    assert 3500 < (retry_after({"Retry-After": email.utils.formatdate(time.time() + 3600, usegmt=True)}) or 0) < 3601
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
    with server() as (url, received), pytest.raises(TransportError) as caught:
        Transport(timeout=1).send("GET", url, {"Key": KEY}, "/x")
    assert (suspended != [], received, caught.value.effect) == (True, [], Effect.NOT_SENT)


def test_a_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login me password mine\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with server() as (url, received):
        Transport(timeout=10).send("GET", url, {"Key": KEY}, "/x")
    assert b"authorization" not in received[0].lower()


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
        (ResponseTooLarge(), Effect.UNKNOWN, True, "larger than any of the vendor's"),
        (UnexpectedEncoding(), Effect.UNKNOWN, False, "a compressed response"),
        (
            requests.exceptions.SSLError(tls_error("UNSAFE_LEGACY_RENEGOTIATION_DISABLED")),
            Effect.UNKNOWN,
            True,
            "TLS failed",
        ),
    ],
)
def test_exceptions_after_the_request_are_put_in_words_without_their_text(
    monkeypatch: pytest.MonkeyPatch, cause: Exception, effect: Effect, retryable: bool, words: str
) -> None:
    def request(session: LimitedSession, *_arguments: Any, **_named: Any) -> None:
        session.limits.begin_to_send()
        raise cause

    monkeypatch.setattr(LimitedSession, "request", request)
    with pytest.raises(TransportError) as caught:
        Transport(timeout=1, use_proxy=False).send("GET", "https://api.example/x", {"Key": KEY}, "/x")
    assert (caught.value.effect, caught.value.retryable) == (effect, retryable)
    assert words in caught.value.message
    assert KEY not in caught.value.message


@pytest.mark.parametrize(
    "url", ["https://api.example", "http://api.example/", "https://API.example:443", "http://api.example.:80"]
)
def test_every_spelling_of_an_address_is_the_same_service(url: str) -> None:
    assert service_of(url) == "api.example"


def test_other_ports_and_paths_are_other_services() -> None:
    urls = ["http://api.example", "http://api.example:443", "http://api.example:8080", "http://api.example/v2/"]
    assert len({service_of(url) for url in urls}) == len(urls)


def test_a_server_with_strange_headers_brings_no_key_into_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 warns of headers that it cannot read, and quotes the URL with its query."""
    caplog.set_level(logging.DEBUG)
    with server(OK + b"no header at all\r\n") as (url, _received):
        Transport(timeout=10).send("GET", url, {"Key": KEY}, "/x")
    assert KEY not in caplog.text
    # Other lines of the library are still there.
    assert "Starting new HTTP connection" in caplog.text


def test_the_http_library_logs_no_query(caplog: pytest.LogCaptureFixture) -> None:
    keep_queries_out()
    keep_queries_out()
    caplog.set_level(logging.DEBUG)
    for name in LOGGERS:
        logging.getLogger(name).warning("Failed to parse headers (url=%s)", f"http://127.0.0.1/query?Key={KEY}")
        logging.getLogger(name).debug("Starting new HTTP connection (%d)", 1)
    assert caplog.messages == ["Starting new HTTP connection (1)"] * len(LOGGERS)
