# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exchange with the vendor over raw sockets: TLS, proxies, deadlines, and servers that
misbehave.

Each trouble is tried with one read and one write of the whitelist, and what the server received is
looked at.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import gzip
import json
import logging
import os
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import requests
import trustme
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import (
    MAX_RESPONSE,
    Transport,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    Effect,
    TransportError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Runtime
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Mode,
    execute,
    read_options,
    redact,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import (
    WHITELIST,
    WHITELIST_INFO,
)
from support import phrases
from support.invariants import Result, assert_one_sentence
from support.parameters import spread
from support.processes import wait_for

QUERY = "/whitelist/query"
ADD = "/whitelist/add"
IP = "203.0.113.1"
KEY = "HUSHKEY1"
USER = "proxyuser"
WORD = "HUSH+/WORD%7"
LOGIN = "proxyuser:HUSH%2B%2FWORD%257@"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
Serve = Callable[[socket.socket], None]


def said(body: bytes, head: bytes = HEAD) -> bytes:
    # A connection serves one request, and says so: a client that keeps it may send the next one
    # into its end.
    return head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def send(*parts: bytes) -> Serve:
    """Send this and hang up."""
    return lambda channel: channel.sendall(b"".join(parts))


def silent(channel: socket.socket) -> None:
    """Wait until the client hangs up."""
    while channel.recv(65536):
        pass


def forever(first: bytes, again: bytes, pause: float = 0.0) -> Serve:
    """Send the first part, then the second again and again."""

    def serve(channel: socket.socket) -> None:
        channel.sendall(first)
        while True:
            channel.sendall(again)
            time.sleep(pause)

    return serve


class Server:
    """A vendor with a whitelist, which does as it is told at the next requests to a path; also
    behind a proxy.

    ``connect`` is its response to CONNECT, after which it is the vendor, with TLS if there is a
    ``context``.
    """

    def __init__(self, context: ssl.SSLContext | None = None, connect: bytes | None = None) -> None:
        self.context = context
        self.connect = connect
        self.troubles: dict[str, list[Serve]] = {}
        self.received: list[str] = []
        self.times: list[float] = []
        self.listed: list[str] = []
        self.connections = 0
        self.ended = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{'https' if context else 'http'}://{self.address}"
        threading.Thread(target=self._accept, name="server", daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._listener.accept()
                self.connections += 1
                threading.Thread(
                    target=self._serve, args=(connection,), name="server", daemon=True
                ).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, IndexError), contextlib.ExitStack() as stack:
            channel = stack.enter_context(connection)
            if self.connect is not None:
                self.received.append(channel.recv(65536).decode("latin-1"))
                channel.sendall(self.connect)
            if self.context:
                channel = stack.enter_context(self.context.wrap_socket(channel, server_side=True))
            self._respond(channel)
            channel.shutdown(socket.SHUT_WR)
            silent(channel)
        self.ended.release()

    def _respond(self, channel: socket.socket) -> None:
        request = channel.recv(65536).decode("latin-1")
        self.received.append(request)
        self.times.append(time.monotonic())
        path = re.sub(r"^(http://[^/]+)?([^?]*).*", r"\2", request.split()[1])
        if troubles := self.troubles.get(path):
            troubles.pop(0)(channel)
        else:
            self.listed = [IP] if path == ADD else self.listed
            channel.sendall(said(json.dumps({"Code": 0, "Data": self.listed}).encode()))

    def calls(self, path: str) -> list[str]:
        return [each for each in self.received if path in each.split("?")[0]]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """Starts servers."""
    with contextlib.ExitStack() as stack:
        yield lambda *given, **named: stack.enter_context(
            contextlib.closing(Server(*given, **named))
        )


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith(("_proxy", "_ca_bundle"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    """Reads the whitelist, or registers an address, at a URL; nothing of it may show the
    secrets.
    """

    hasty = Runtime(random=lambda low, _high: low / 100)

    def called(path: str, url: str, **options: Any) -> Result:
        operation = WHITELIST if path == ADD else WHITELIST_INFO
        given = {
            "key": KEY,
            "api_url": url,
            "store": str(tmp_path),
            "timeout": 10,
            "max_wait": 0,
        }
        if path == ADD:
            given["ips"] = [IP]
        params = read_options(operation.spec, {**given, **options}, place="option")
        result = redact(execute(operation, params, Mode(runtime=hasty)), params, operation.spec)
        assert "HUSH" not in json.dumps(result), result
        return result

    return called


def assert_failed(result: Result, *parts: str) -> None:
    """The task failed without a change, and its message has these parts."""
    assert result["failed"] is True, result
    assert result["changed"] is False
    assert_one_sentence(result["msg"])
    for part in parts:
        assert part in result["msg"], result["msg"]


def error(url: str, timeout: float = 20, **options: Any) -> TransportError:
    """The error of one exchange."""
    with pytest.raises(TransportError) as caught:
        Transport(timeout=timeout, **options).send("GET", url + "/x", {"Key": KEY}, "/x")
    assert_one_sentence(caught.value.message)
    assert "HUSH" not in caught.value.message, caught.value.message
    return caught.value


BOMB = gzip.compress(gzip.compress(b" " * 10 * MAX_RESPONSE))
SECONDS = f"{phrases.TOOK_LONGER} 0.5 seconds"
#: What the server does, what the message says of it, and whether the request may have had an
#: effect.
TROUBLES: dict[str, tuple[Serve, str]] = {
    "hangs up": (send(b""), phrases.NO_USABLE_RESPONSE),
    "no HTTP": (send(b"SSH-2.0-OpenSSH_9.6\r\n"), phrases.NO_USABLE_RESPONSE),
    "a body that is cut off": (
        send(said(b'{"Code": 0, "Data": []}')[:-5]),
        phrases.NO_USABLE_RESPONSE,
    ),
    "a chunk that is cut off": (send(CHUNKED, b'10\r\n{"Code"'), phrases.NO_USABLE_RESPONSE),
    "silence": (silent, SECONDS),
    "a trickle of a body": (forever(HEAD + b"Content-Length: 100000\r\n\r\n", b" ", 0.01), SECONDS),
    "a trickle of headers": (forever(HEAD, b"X: 1\r\n", 0.01), SECONDS),
    "a trickle of trailers": (forever(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: 1\r\n", 0.01), SECONDS),
    "a body without end": (forever(HEAD + b"\r\n", b"x" * 65536), phrases.TOO_LARGE),
    "a trickle of interim responses": (
        forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
        SECONDS,
    ),
    # Python 3.14 gives up after a hundred, and others when the time is over.
    "a flood of interim responses": (forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), ""),
    "compressed": (
        send(said(BOMB, HEAD + b"Content-Encoding: gzip, gzip\r\n")),
        phrases.COMPRESSED,
    ),
    "redirect": (
        send(said(b"", b"HTTP/1.1 302 Found\r\nLocation: /moved?Key=%s\r\n" % KEY.encode())),
        phrases.REDIRECT,
    ),
    "a part": (send(said(b'{"Code": 0, "Data": []}', b"HTTP/1.1 206 Partial\r\n")), "HTTP 206"),
    "control characters": (send(said(b"\x1b[2J\x9b31m<html>")), ""),
}


@pytest.mark.parametrize(("name", "path"), spread(TROUBLES, [QUERY, ADD]))
def test_trouble_is_one_sentence_within_the_deadline(
    server: Callable[..., Server], run: Callable[..., Result], name: str, path: str
) -> None:
    trouble, words = TROUBLES[name]
    vendor = server()
    vendor.troubles[path] = [trouble]
    result = run(path, vendor.url, timeout=0.5 if words == SECONDS else 20)
    assert_failed(result, words, vendor.address if words == SECONDS else "")
    assert result["msg"].isprintable()
    assert len(result["msg"]) < 1000
    # On a busy machine, the server reads when the client has given up already.
    wait_for(lambda: bool(vendor.calls(path)))
    assert len(vendor.calls(path)) == 1
    assert vendor.calls("/moved") == []
    assert "\r\nAccept-Encoding: identity\r\n" in vendor.received[0]


def test_a_server_that_asks_for_a_rest_gets_it(
    server: Callable[..., Server], run: Callable[..., Result]
) -> None:
    vendor = server()
    vendor.troubles[ADD] = [send(said(b"", b"HTTP/1.1 503 Later\r\nRetry-After: 1\r\n"))]
    result = run(ADD, vendor.url, max_wait=30)
    assert "failed" not in result, result["msg"]
    at = [
        when for when, request in zip(vendor.times, vendor.received, strict=True) if ADD in request
    ]
    assert at[1] - at[0] > 0.8


def open_things() -> tuple[int, int]:
    """The threads of clients, and the file descriptors of this process."""
    gc.collect()
    return sum(each.name != "server" for each in threading.enumerate()), len(
        os.listdir("/proc/self/fd")
    )


def test_polls_that_time_out_leave_no_thread_and_no_connection(
    server: Callable[..., Server],
) -> None:
    vendor = server()
    vendor.troubles["/x"] = [TROUBLES["a trickle of a body"][0]] * 10
    threads, descriptors = open_things()
    effects = {error(vendor.url, 0.1).effect for _poll in range(10)}
    # On a busy machine, the time may be over before a request is sent.
    assert Effect.IN_FLIGHT in effects
    assert all(vendor.ended.acquire(timeout=20) for _poll in range(vendor.connections)), (
        "a connection is still open"
    )
    end = time.monotonic() + 20
    while (now := open_things()) > (threads, descriptors) and time.monotonic() < end:
        time.sleep(0.02)
    assert now[0] <= threads
    assert now[1] <= descriptors


def test_nothing_is_sent_after_a_suspend_that_was_longer_than_the_timeout(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile, another machine may have taken over, and paid for the same."""
    resolve = socket.getaddrinfo
    read = time.clock_gettime
    suspended: list[float] = []

    def suspend(*arguments: Any, **named: Any) -> Any:
        suspended.append(3600.0)
        return resolve(*arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", suspend)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: read(clock) + sum(suspended))
    vendor = server()
    assert error(vendor.url, 5).effect is Effect.NOT_SENT
    assert suspended != []
    assert "".join(vendor.received) == ""


def test_a_netrc_is_not_read_and_no_query_is_logged(
    server: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "netrc").write_text("default login me password mine\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    caplog.set_level(logging.DEBUG)
    vendor = server()
    # urllib3 warns of headers that it cannot read, and quotes the URL with its query.
    vendor.troubles["/x"] = [send(said(b"{}", HEAD + b"no header at all\r\n"))]
    Transport(timeout=10).send("GET", f"{vendor.url}/x", {"Key": KEY}, "/x")
    assert "authorization" not in vendor.received[0].lower()
    assert KEY not in caplog.text


# --- TLS


@pytest.fixture
def trusted(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """The context of a server for this machine and vendor.example, and the file of its
    authority.
    """
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "vendor.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return context, str(tmp_path / "ca.pem")


@pytest.mark.parametrize("path", [QUERY, ADD])
def test_only_a_certificate_of_a_known_authority_is_trusted(
    server: Callable[..., Server],
    run: Callable[..., Result],
    trusted: tuple[ssl.SSLContext, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    path: str,
) -> None:
    context, authority = trusted
    vendor = server(context)
    assert_failed(run(path, vendor.url), "certificate", phrases.NOT_TRUSTED, "REQUESTS_CA_BUNDLE")
    other = tmp_path / "other.pem"
    garbage = tmp_path / "garbage.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    garbage.write_text("this is no certificate\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    assert_failed(run(path, vendor.url), "certificate", phrases.NOT_TRUSTED)
    for file in (tmp_path / "none", garbage):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        assert_failed(run(path, vendor.url), f"REQUESTS_CA_BUNDLE={file} {phrases.NO_CERTIFICATES}")
    assert vendor.received == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority)
    assert_failed(run(path, vendor.url.replace("127.0.0.1", "localhost")), "certificate")
    assert "failed" not in run(path, vendor.url)
    assert len(vendor.calls(path)) >= 1


def test_the_wrong_scheme_and_a_handshake_without_end_are_reported(
    server: Callable[..., Server], trusted: tuple[ssl.SSLContext, str]
) -> None:
    plain = server()
    secure = server(trusted[0])
    plain.troubles["/x"] = [silent]
    swapped = error(plain.url.replace("http:", "https:"), 0.5)
    assert swapped.effect is Effect.NOT_SENT
    # What the server got is the beginning of a handshake, and no request.
    assert "GET" not in "".join(plain.received)
    answering = server(connect=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    refused = error(answering.url.replace("http:", "https:"))
    assert phrases.NO_TLS in refused.message
    assert refused.effect is Effect.NOT_SENT
    assert refused.retryable is False
    assert phrases.NO_USABLE_RESPONSE in error(secure.url.replace("https:", "http:")).message
    assert secure.received == []


# --- proxies of the environment

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
REFUSALS = {
    "407 Proxy Authentication Required": (LOGIN, f"{phrases.PROXY_LOGIN} (HTTP 407)"),
    "407 Authentication Required": (
        "",
        f"{phrases.PROXY_WANTS_LOGIN} (HTTP 407). {phrases.ADD_LOGIN}",
    ),
    "403 Forbidden": (LOGIN, f"{phrases.PROXY_FORBIDS} vendor.example (HTTP 403)"),
    "503 Service Unavailable": (LOGIN, f"{phrases.PROXY_CANNOT} vendor.example (HTTP 503)"),
}


@pytest.mark.parametrize("path", [QUERY, ADD])
@pytest.mark.parametrize("status", REFUSALS)
def test_a_proxy_that_refuses_is_named_and_nothing_reached_the_vendor(
    server: Callable[..., Server],
    run: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    path: str,
) -> None:
    login, meaning = REFUSALS[status]
    proxy = server(connect=f"HTTP/1.1 {status}\r\nContent-Length: 12\r\n\r\n{WORD}".encode())
    monkeypatch.setenv("HTTPS_PROXY", f"http://{login}{proxy.address}")
    named = f"the proxy {proxy.address} (environment variable HTTPS_PROXY) {meaning}"
    assert_failed(run(path, "https://vendor.example"), named, "NO_PROXY")
    caught = error("https://vendor.example")
    assert caught.effect is Effect.NOT_SENT
    assert caught.retryable is status.startswith("5")
    # All that it was sent is a request to connect.
    assert {request.split(" HTTP/")[0] for request in proxy.received if request} == {
        "CONNECT vendor.example:443"
    }


@pytest.mark.parametrize("path", [QUERY, ADD])
def test_calls_go_through_the_proxy_with_its_login(
    server: Callable[..., Server],
    run: Callable[..., Result],
    trusted: tuple[ssl.SSLContext, str],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    context, authority = trusted
    tunnel = server(context, ESTABLISHED)
    plain = server()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}{tunnel.address}")
    monkeypatch.setenv("http_proxy", f"http://{LOGIN}{plain.address}")
    login = base64.b64encode(f"{USER}:{WORD}".encode()).decode()
    for proxy, url in ((tunnel, "https://vendor.example"), (plain, "http://vendor.example")):
        assert "failed" not in run(path, url)
        assert f"Proxy-Authorization: Basic {login}" in proxy.received[0]
        assert len(proxy.calls(path)) == 1
    # The login is for the proxy alone.
    assert not any(
        "Proxy-Authorization" in request for request in tunnel.received if "CONNECT" not in request
    )
    # A page of the proxy may quote its login.
    plain.troubles[path] = [
        send(said(json.dumps({"Code": -7, "Msg": f"{WORD} {LOGIN} {login}", WORD: 1}).encode()))
    ]
    monkeypatch.setenv("HTTP_PROXY", "")
    plain.listed = []
    result = run(path, "http://vendor.example")
    assert_failed(result, "****")
    assert login[6:-6] not in json.dumps(result)


def test_a_host_in_no_proxy_is_called_directly(
    server: Callable[..., Server], run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = server(connect=b"HTTP/1.1 403 No\r\n\r\n")
    vendor = server()
    monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
    monkeypatch.setenv("NO_PROXY", "elsewhere, 127.0.0.0/8")
    for path in (QUERY, ADD):
        assert "failed" not in run(path, vendor.url)
    assert proxy.received == []
    assert vendor.received != []


def test_a_proxy_that_cannot_be_used_is_named_without_its_login(
    server: Callable[..., Server],
    trusted: tuple[ssl.SSLContext, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_such_name(*_arguments: Any, **_named: Any) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    untrusted = server(trusted[0])
    lost = server(connect=b"")
    lost.close()
    tunnel = server(connect=ESTABLISHED + b"no TLS here, only text")
    for url, words in {
        f"https://{LOGIN}{untrusted.address}": f"the certificate of the proxy {untrusted.address} ",
        f"https://{LOGIN}{tunnel.address}": (
            f"the proxy {tunnel.address} (environment variable HTTPS_PROXY) does not"
        ),
        f"http://{LOGIN}{lost.address}": (
            f"{phrases.NO_USABLE_RESPONSE} from the proxy {lost.address} "
        ),
        # Beyond the proxy, the vendor is named.
        f"http://{LOGIN}{tunnel.address}": "vendor.example",
    }.items():
        monkeypatch.setenv("HTTPS_PROXY", url)
        assert words in error("https://vendor.example").message
    assert "proxy" not in error("https://vendor.example").message
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    for mistyped in (
        f"http://proxy.example:3128:{USER}:{WORD}",
        f"{USER}:{WORD}@proxy.example",
        f"http://{USER}:a/{WORD}@127.0.0.1:9",
        f"http://{USER}:{WORD}@[::1",
        f"ftp://{USER}:{WORD}@127.0.0.1:9",
        f"http://{USER}:{WORD}",
        f"socks5://{USER}:{WORD}@proxy.example:1080",
    ):
        monkeypatch.setenv("HTTPS_PROXY", mistyped)
        assert "environment variable HTTPS_PROXY" in error("https://vendor.example").message


def test_only_the_environment_names_proxies_on_every_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On macOS, its settings would be read without such variables, which crashes a worker."""

    def settings_of_the_system(*_arguments: object) -> NoReturn:
        raise AssertionError("the settings of the system were read")

    def bypass(host: str) -> bool:
        """Decide like urllib on macOS."""
        environment = urllib.request.getproxies_environment()
        if not environment:
            settings_of_the_system()
        # The stubs of mypy name it for macOS alone.
        bypassed: bool = vars(urllib.request)["proxy_bypass_environment"](host, environment)
        return bypassed

    monkeypatch.setattr(requests.utils, "getproxies", settings_of_the_system)
    monkeypatch.setattr(requests.utils, "proxy_bypass", bypass)
    transport = Transport(timeout=5)
    assert transport.find_proxy("https://vendor.example/x") is None
    monkeypatch.setenv("NO_PROXY", "other.example")
    assert transport.find_proxy("https://vendor.example/x") is None
    monkeypatch.setenv("Https_Proxy", "http://192.0.2.1:9")
    found = transport.find_proxy("https://vendor.example/x")
    assert found is not None
    assert found.origin == "environment variable HTTPS_PROXY"
    assert transport.find_proxy("http://vendor.example/x") is None
    assert transport.find_proxy("https://other.example/x") is None
