# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls through the proxy of the control node: which one is used, and how messages name its failures."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import requests
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.proxies import environment_secrets
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST_INFO
from simulator.fixture import Simulator, running_simulator
from support.canned_servers import Authority, CannedServer, context_of_a_stranger, said
from support.playbooks import QUERY, Playground, assert_one_sentence, calls, operate

pytestmark = pytest.mark.newest_core

USER, WORD = "proxyuser", "HUSH+/WORD%7"
LOGIN = "proxyuser:HUSH%2B%2FWORD%257@"
#: A port without a listener.
DEAD = "http://127.0.0.1:9"


@pytest.fixture
def canned() -> Iterator[Callable[..., str]]:
    """Starts proxies that send the same response to everybody, and returns their addresses."""
    with contextlib.ExitStack() as stack:
        yield lambda *response: stack.enter_context(CannedServer(*response))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real proxy that requires USER and WORD."""
    folder = tmp_path_factory.mktemp("proxy")
    port = folder / "port"
    options = ["--hostname", "127.0.0.1", "--port", "0", "--port-file", str(port), "--basic-auth", f"{USER}:{WORD}"]
    options += ["--num-workers", "1", "--num-acceptors", "1", "--log-level", "CRITICAL", "--data-dir", str(folder)]
    process = subprocess.Popen([sys.executable, "-m", "proxy", *options], cwd=folder)
    try:
        end = time.monotonic() + 30
        while not (port.exists() and port.read_text().strip()):
            assert process.poll() is None, "the proxy has ended"
            assert time.monotonic() < end, "the proxy does not start"
            time.sleep(0.02)
        yield f"127.0.0.1:{port.read_text().split()[0]}"
    finally:
        process.terminate()
        process.wait()


def no_such_name(*_arguments: Any, **_named: Any) -> Any:
    """Stand in for a resolver that knows no name."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def failure(proxy: str, url: str = "https://vendor.example/x", **options: Any) -> TransportError:
    """The error of a call through a proxy."""
    with pytest.raises(TransportError) as caught:
        Transport(timeout=5, proxy=proxy, **options).send("GET", url, {"Key": "QGDEMO01"}, "/x")
    error = caught.value
    assert_one_sentence(error.message)
    assert not re.search("HUSH|proxyuser", error.message), error.message
    return error


REFUSALS = {
    "407 Proxy Authentication Required": "does not accept the user name and the password (HTTP 407). Correct its URL",
    "403 Forbidden": "does not allow connections to vendor.example (HTTP 403). Allow them in the proxy",
    "503 Service Unavailable": "cannot connect to vendor.example (HTTP 503). Check the proxy",
}


def test_a_refusal_names_the_proxy_and_its_origin_and_did_not_reach_the_vendor(canned: Callable[..., str]) -> None:
    for status, meaning in REFUSALS.items():
        address = canned(f"HTTP/1.1 {status}\r\nContent-Length: 12\r\n\r\n{WORD}".encode())
        error = failure(f"http://{LOGIN}{address}")
        assert error.message.startswith(f"/x: the proxy {address} (option api_proxy) {meaning}"), error.message
        assert error.message.endswith(", or set use_proxy=false for direct calls.")
        assert (error.effect, error.retryable) == (Effect.NOT_SENT, status.startswith("5"))
    closed = failure(DEAD)
    assert closed.message == "/x: no usable response from the proxy 127.0.0.1:9 (option api_proxy): connection refused."
    assert (closed.effect, closed.retryable) == (Effect.NOT_SENT, True)
    address = canned(b"SSH-2.0-OpenSSH_9.6\r\n")
    garbage = failure(f"http://{address}")
    assert f"no usable response from the proxy {address} (option api_proxy)" in garbage.message
    assert garbage.effect is Effect.NOT_SENT


def test_a_proxy_whose_name_is_not_found_or_whose_tls_fails_is_named(
    canned: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    untrusted = canned(b"", context_of_a_stranger())
    error = failure(f"https://{untrusted}")
    assert f"the certificate of the proxy {untrusted} (option api_proxy) is not trusted" in error.message
    plain = canned(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert f"the proxy {plain} (option api_proxy) does not use TLS" in failure(f"https://{plain}").message
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    missing = failure("http://proxy.example:3128")
    assert "no usable response from the proxy proxy.example:3128 (option api_proxy): its name cannot" in missing.message
    assert missing.effect is Effect.NOT_SENT


def test_beyond_the_proxy_the_vendor_is_named(canned: Callable[..., str]) -> None:
    tunnel = canned(b"HTTP/1.1 200 Connection established\r\n\r\nno TLS here, only text")
    error = failure(f"http://{tunnel}")
    assert "vendor.example" in error.message
    assert "proxy" not in error.message
    lost = canned(b"")
    error = failure(f"http://{lost}", "http://vendor.example/x")
    assert "no usable response from vendor.example" in error.message
    assert error.effect is Effect.UNKNOWN


def test_the_environment_names_the_proxy_unless_an_option_does(
    canned: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = canned(b"HTTP/1.1 407 No\r\n\r\n")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{refusing}")
    error = failure("")
    assert f"the proxy {refusing} (environment variable HTTPS_PROXY) requires a user name and" in error.message
    assert "Add them to its URL" in error.message
    assert "127.0.0.1:9 (option api_proxy)" in failure(DEAD).message
    direct = failure(DEAD, "https://127.0.0.1:9/x", use_proxy=False)
    assert direct.message == "/x: no usable response from 127.0.0.1:9: connection refused."
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert failure("", "https://127.0.0.1:9/x").message == direct.message
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    for mistyped in (
        f"http://proxy.example:3128:{USER}:{WORD}",
        f"{USER}:{WORD}@proxy.example",
        f"http://{USER}:a/{WORD}@127.0.0.1:9",
        f"http://{USER}:{WORD}@[::1",
        f"ftp://{USER}:{WORD}@127.0.0.1:9",
        f"http://{USER}:{WORD}",
    ):
        monkeypatch.setenv("HTTPS_PROXY", mistyped)
        message = failure("").message
        assert "(environment variable HTTPS_PROXY)" in message or "of the environment variable" in message, message
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    assert re.search("SOCKS proxy of the environment variable HTTPS_PROXY needs .*PySocks|refused", failure("").message)


def origin(url: str) -> str | None:
    """Where the proxy for calls to a URL is set."""
    found = Transport(timeout=5).find_proxy(url)
    return found and found.origin.removeprefix("environment variable ")


def test_only_the_environment_names_proxies_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS, its settings would be read without such variables, which crashes a worker."""

    def settings_of_the_system(*_arguments: object) -> NoReturn:
        raise AssertionError("the settings of the system were read")

    def bypass(host: str) -> bool:
        """Decide like urllib on macOS."""
        environment = urllib.request.getproxies_environment()
        return urllib.request.proxy_bypass_environment(host, environment) if environment else settings_of_the_system()

    monkeypatch.setattr(requests.utils, "getproxies", settings_of_the_system)
    monkeypatch.setattr(requests.utils, "proxy_bypass", bypass)
    assert origin("https://vendor.example/x") is None
    monkeypatch.setenv("NO_PROXY", "other.example")
    assert origin("https://vendor.example/x") is None
    monkeypatch.setenv("Https_Proxy", DEAD)
    assert origin("https://vendor.example/x") == "Https_Proxy"
    assert origin("http://vendor.example/x") is None
    assert origin("https://other.example/x") is None


def test_the_variables_for_proxies_mean_what_they_mean_to_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", DEAD)
    assert origin("https://vendor.example/x") == "ALL_PROXY"
    monkeypatch.setenv("HTTPS_PROXY", DEAD)
    assert origin("https://vendor.example/x") == "HTTPS_PROXY"
    monkeypatch.setenv("https_proxy", f"{DEAD}1")
    assert origin("https://vendor.example/x") == "https_proxy"
    # Empty in lower case: none, whatever the other spelling says.
    monkeypatch.setenv("https_proxy", "")
    assert origin("https://vendor.example/x") == "ALL_PROXY"
    excluded = {"10.0.0.0/8": "10.1.2.3", "vendor.example:444": "vendor.example:444", ".example": "vendor.example"}
    for entry, host in excluded.items():
        monkeypatch.setenv("NO_PROXY", f"elsewhere, {entry}")
        assert origin(f"https://{host}/x") is None, entry
        assert origin("https://192.0.2.1/x") == "ALL_PROXY", entry
    monkeypatch.setenv("no_proxy", "elsewhere")
    assert origin("https://vendor.example/x") == "ALL_PROXY"


def test_a_proxy_in_a_variable_of_any_spelling_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Https_Proxy", f"http://{LOGIN}127.0.0.1:9")
    assert WORD in set(environment_secrets())


def test_no_result_contains_what_a_proxy_repeats_of_its_credentials(
    canned: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = base64.b64encode(f"{USER}:{WORD}".encode()).decode()
    body = json.dumps({"Code": -7, "Msg": f"{WORD} {LOGIN} {encoded}", WORD: LOGIN})
    url = f"http://{LOGIN}{canned(said(body.encode()))}"
    options = {"key": "QGDEMO01", "api_url": "http://vendor.example", "store": str(tmp_path), "retries": 0}
    results = [operate(WHITELIST_INFO, {**options, "api_proxy": url})]
    monkeypatch.setenv("http_proxy", url)
    results.append(operate(WHITELIST_INFO, options))
    for result in results:
        assert result["failed"], result
        assert "****" in json.dumps(result), result
        assert not re.search(f"HUSH|WORD%|{encoded[6:-6]}", json.dumps(result)), result


@pytest.mark.measured
def test_tasks_use_the_proxy_of_option_variable_or_environment_with_its_credentials(
    sim: Simulator, playground: Playground, proxy: str
) -> None:
    good, bad = f"http://{LOGIN}{proxy}", f"http://{USER}:HUSHWRONG@{proxy}"
    tasks: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "environment": ({}, {}),
        "variable": ({}, {"qg_api_proxy": bad}),
        "option": ({"api_proxy": good}, {"qg_api_proxy": bad}),
        "direct": ({"use_proxy": False}, {"qg_api_proxy": bad}),
        "direct by variable": ({"api_proxy": bad}, {"qg_use_proxy": False}),
        "mistyped": ({"api_proxy": f"{USER}:{WORD}@{proxy}"}, {}),
        "delegated": ({"api_proxy": bad}, {}),
    }
    listed = [
        {"name": name, "qingguo.qgnet.qg_whitelist_info": options, "vars": variables, "ignore_errors": True}
        for name, (options, variables) in tasks.items()
    ]
    listed[-1]["delegate_to"] = "bastion"
    play = {"hosts": "h1", "gather_facts": False, "tasks": listed}
    run = playground.play(
        "\n" + json.dumps([play]),
        inventory="h1\nbastion\n[all:vars]\nansible_connection=local\n",
        arguments=["-vvv"],
        environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "HTTP_PROXY": good, "NO_PROXY": ""},
    )
    failed = {task.name for task in run.tasks if task.status == "failed"}
    assert failed == {"variable", "mistyped", "delegated"}
    for name in ("variable", "delegated"):
        message = run.of(name).result["msg"]
        assert f"the proxy {proxy} (option api_proxy) does not accept the user name and the password" in message, (
            message
        )
    assert (
        run.of("mistyped").result["msg"].startswith("api_proxy cannot be used: give http://HOST:PORT, or http://USER:")
    )
    assert calls(sim) == [QUERY] * 4
    assert not re.search("HUSH", run.output.replace(json.dumps(listed), "")), run.output


def test_https_goes_through_a_tunnel_of_the_proxy(proxy: str, authority: Authority, tmp_path: Path) -> None:
    with running_simulator([*authority.arguments, "--minute", "2"], verify=str(authority.ca)) as secure:
        options = {
            "key": secure.key,
            "api_url": secure.api_url,
            "ca_path": str(authority.ca),
            "store": str(tmp_path / "state"),
            "api_proxy": f"http://{LOGIN}{proxy}",
            "retries": 0,
        }
        found = operate(WHITELIST_INFO, options)
        assert found["count"] == 0, found
        wrong = operate(WHITELIST_INFO, {**options, "api_proxy": f"http://{proxy}"})
        assert f"the proxy {proxy} (option api_proxy) requires a user name and a password (HTTP 407)" in wrong["msg"]
        assert len(secure.journal()) == 1
