# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exchange itself: deadlines, redirects, certificates, and servers that ask for a rest."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulator.fixture import Simulator, running_simulator
from support.canned_servers import Authority, Pit
from support.parameters import spread
from support.playbooks import ADD, DEL, QUERY, QUOTA, Operate, assert_failed, assert_one_sentence, calls

A, B = "203.0.113.1", "203.0.113.2"
NO_CERTIFICATES = "it contains no certificates that can be read"


def test_a_server_that_is_dead_or_never_answers_is_named_in_time(whitelist: Operate, closed_port: int) -> None:
    dead = whitelist([A], api_url=f"http://127.0.0.1:{closed_port}", max_wait=0)
    assert_failed(dead, f"127.0.0.1:{closed_port}", "connection refused", changed=False)
    with Pit(1) as mute:
        result = whitelist([A], api_url=f"http://{mute.servers[0]}", timeout=0.3, max_wait=0)
    assert_failed(result, "longer than 0.3 seconds")


def test_the_deadline_is_for_the_whole_answer(whitelist_info: Operate, sim: Simulator) -> None:
    # No two bytes are further apart than the first deadline, only the last from the first.
    sim.configure(whitelist=[A])
    sim.fault(path=QUERY, kind="trickle", seconds=0.05)
    assert_failed(whitelist_info(timeout=0.5, max_wait=0), "longer than 0.5 seconds")
    sim.fault(path=QUERY, kind="trickle", seconds=0.005)
    assert whitelist_info(timeout=20, max_wait=0)["whitelist"] == [A]


def test_an_answer_without_end_is_not_read_to_the_end(whitelist_info: Operate, sim: Simulator) -> None:
    sim.fault(path=QUERY, kind="garbage", body="x" * (9 * 1024 * 1024))
    result = whitelist_info(timeout=20, max_wait=0)
    assert_failed(result)
    assert len(result["msg"]) < 1000


@pytest.mark.parametrize("kind", ["garbage", "code"])
def test_what_a_server_says_cannot_steer_the_terminal(whitelist_info: Operate, sim: Simulator, kind: str) -> None:
    said = "\x1b[2J\x1b]0;gotcha\x07 \x9b31m all is well \u202e"
    fields = {"body": said} if kind == "garbage" else {"code": -10, "msg": said}
    sim.fault(path=QUERY, kind=kind, times=-1, **fields)
    message = whitelist_info(max_wait=0)["msg"]
    assert "all is well" in message
    assert message.isprintable()


@pytest.mark.parametrize(("status", "endpoint"), spread([301, 302, 303, 307, 308], [QUERY, ADD, QUOTA]))
def test_redirects_are_not_followed(
    whitelist: Operate, quota_info: Operate, sim: Simulator, endpoint: str, status: int
) -> None:
    target = f"{sim.api_url}/moved?Key={sim.key}"
    sim.fault(path=endpoint, kind="status", http_status=status, headers={"Location": target}, times=-1)
    result = quota_info() if endpoint == QUOTA else whitelist([A])
    assert_failed(result, "redirect", "api_url")
    assert sim.key not in str(result)
    assert "/moved" not in calls(sim)
    assert len(calls(sim, endpoint)) == 1
    assert sim.whitelist() == []


@pytest.mark.parametrize(
    ("endpoint", "form", "status"), spread([QUERY, ADD, DEL, QUOTA], ["seconds", "date", "date", "seconds"], [429, 503])
)
def test_a_server_that_asks_for_a_rest_gets_it(
    whitelist: Operate, quota_info: Operate, sim: Simulator, endpoint: str, form: str, status: int
) -> None:
    # The date has whole seconds: at least two of three are left when it is read.
    value = "2" if form == "seconds" else email.utils.formatdate(time.time() + 3, usegmt=True)
    sim.configure(whitelist=[A])
    sim.fault(path=endpoint, kind="status", http_status=status, headers={"Retry-After": value})
    if endpoint == QUOTA:
        result = quota_info()
    elif endpoint == DEL:
        result = whitelist([A], state="absent")
    else:
        result = whitelist([B])
    assert "failed" not in result, result["msg"]
    refused, repeated, *_rest = sim.journal(endpoint)
    assert repeated["at"] - refused["at"] > 1.8


@pytest.mark.parametrize(
    ("value", "status"),
    spread(["soon", "", "-3", "1.5", "\xb2", "Fri, 99 Xyz 2026 00:00:00 GMT", "1" * 400], [429, 503]),
)
def test_a_rest_that_makes_no_sense_is_no_crash(
    whitelist_info: Operate, sim: Simulator, status: int, value: str
) -> None:
    sim.fault(path=QUERY, kind="status", http_status=status, headers={"Retry-After": value})
    result = whitelist_info(max_wait=5)
    if "failed" in result:
        assert_one_sentence(result["msg"])
        assert QUERY in result["msg"]
    else:
        assert result["whitelist"] == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_rest_longer_than_max_wait_is_an_error_at_once(whitelist_info: Operate, sim: Simulator, status: int) -> None:
    sim.fault(path=QUERY, kind="status", http_status=status, headers={"Retry-After": "120"}, times=-1)
    assert_failed(whitelist_info(max_wait=5), QUERY)
    assert len(calls(sim)) == 1


# --- TLS


@pytest.fixture(scope="module")
def tls_simulator(authority: Authority) -> Iterator[Simulator]:
    """A simulator that serves HTTPS."""
    with running_simulator([*authority.arguments, "--minute", "2"], verify=str(authority.ca)) as running:
        yield running


@pytest.fixture
def secure(tls_simulator: Simulator, whitelist: Operate) -> Operate:
    """qg_whitelist for that simulator, in its start state."""
    tls_simulator.reset()
    options = {"api_url": tls_simulator.api_url, "key": tls_simulator.key, "max_wait": 0}
    return lambda **changes: whitelist([A], **{**options, **changes})


def test_a_certificate_that_is_not_trusted_is_reported_once(
    secure: Operate, tls_simulator: Simulator, authority: Authority
) -> None:
    for ca_path in (None, str(authority.other)):
        assert_failed(secure(ca_path=ca_path), "certificate", "ca_path")
    by_another_name = tls_simulator.api_url.replace("127.0.0.1", "localhost")
    assert_failed(secure(api_url=by_another_name, ca_path=str(authority.ca)), "certificate")
    assert tls_simulator.journal() == []


def test_the_right_authority_makes_it_trusted_and_certificates_need_not_be_checked(
    secure: Operate, tls_simulator: Simulator, authority: Authority
) -> None:
    for options in ({"ca_path": str(authority.ca)}, {"validate_certs": False}):
        tls_simulator.reset()
        result = secure(**options)
        assert "failed" not in result, result["msg"]
        assert tls_simulator.whitelist() == [A]


def test_a_file_that_is_no_authority_is_reported(secure: Operate, tls_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_text("this is no certificate\n")
    for name, reason in (("none", "No such file or directory"), ("garbage", NO_CERTIFICATES)):
        path = tmp_path / name
        assert_failed(secure(ca_path=str(path)), f"ca_path {path} cannot be used: {reason}. ")
    assert tls_simulator.journal() == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authorities_of_the_environment_are_used_or_refused_before_any_call(
    secure: Operate,
    tls_simulator: Simulator,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("this is no certificate\n")
    for path, reason in ((tmp_path / "none.pem", "No such file or directory"), (garbage, NO_CERTIFICATES)):
        monkeypatch.setenv(name, str(path))
        assert secure()["msg"] == (
            f"The environment variable {name}={path} cannot be used: {reason}. Name a file of certificate authorities "
            "in PEM format in it, or unset it, or set ca_path."
        )
        # They concern no other call.
        assert "failed" not in secure(check=True, ca_path=str(authority.ca))
        assert "failed" not in secure(check=True, validate_certs=False)
        assert_failed(secure(api_url="http://127.0.0.1:9"), "connection refused")
    monkeypatch.setenv(name, str(authority.ca))
    assert "failed" not in secure()
    assert tls_simulator.whitelist() == [A]


@pytest.mark.parametrize("swap", [("http:", "https:"), ("https:", "http:")])
def test_the_wrong_scheme_is_reported(
    secure: Operate, sim: Simulator, tls_simulator: Simulator, swap: tuple[str, str]
) -> None:
    server = sim if swap[0] == "http:" else tls_simulator
    result = secure(api_url=server.api_url.replace(*swap), timeout=5)
    assert_failed(result)
    assert ("does not use TLS" in result["msg"]) is (server is sim)
    assert "operation not permitted" not in result["msg"]
    assert server.journal() == []


@pytest.mark.parametrize("status", [201, 202, 203, 204, 205, 206, 226])
def test_only_the_whole_answer_of_a_200_is_a_list(
    whitelist: Operate, whitelist_info: Operate, sim: Simulator, status: int
) -> None:
    """A part of a list would make an address look missing, or the list empty."""
    sim.configure(whitelist=[A])
    body = '{"Code": 0, "Data": []}'
    sim.fault(path=QUERY, kind="status", http_status=status, body=body, times=-1)
    for result in (whitelist_info(max_wait=0), whitelist([B], state="exact", max_removals=5, max_wait=0)):
        assert_failed(result, f"HTTP {status}")
    assert calls(sim, ADD, DEL) == []
    assert sim.whitelist() == [A]
