# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exchange itself: deadlines, redirects, certificates, and servers that ask for a rest."""

from __future__ import annotations

import email.utils
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from simulator.fixture import Simulator, running_simulator
from support.parameters import spread
from support.playbooks import ADD, DEL, QUERY, QUOTA, Operate, assert_one_sentence, calls

A, B = "203.0.113.1", "203.0.113.2"
NO_CERTIFICATES = "it contains no certificates that can be read"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A loopback port on which no process listens, or can begin to listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_dead_server_is_named(whitelist: Operate, closed_port: int) -> None:
    result = whitelist([A], api_url=f"http://127.0.0.1:{closed_port}", max_wait=0)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert f"127.0.0.1:{closed_port}" in result["msg"]
    assert "connection refused" in result["msg"]
    assert result["changed"] is False


def test_a_server_that_never_answers_is_left_in_time(whitelist: Operate, closed_port: int) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        result = whitelist([A], api_url=f"http://127.0.0.1:{mute.getsockname()[1]}", timeout=0.3, max_wait=0)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert "longer than 0.3 seconds" in result["msg"]


def test_the_deadline_is_for_the_whole_answer(whitelist_info: Operate, sim: Simulator) -> None:
    # No two bytes are further apart than the deadline, only the last from the first.
    sim.configure(whitelist=[A])
    sim.fault(path=QUERY, kind="trickle", seconds=0.05)
    result = whitelist_info(timeout=0.5, max_wait=0)
    assert result["failed"] is True
    assert "longer than 0.5 seconds" in result["msg"]


def test_a_slow_answer_within_the_deadline_is_taken(whitelist_info: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A])
    sim.fault(path=QUERY, kind="trickle", seconds=0.005)
    assert whitelist_info(timeout=20, max_wait=0)["whitelist"] == [A]


def test_an_answer_without_end_is_not_read_to_the_end(whitelist_info: Operate, sim: Simulator) -> None:
    sim.fault(path=QUERY, kind="garbage", body="x" * (9 * 1024 * 1024))
    result = whitelist_info(timeout=20, max_wait=0)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
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
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert "redirect" in result["msg"]
    assert "api_url" in result["msg"]
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
    result = whitelist_info(max_wait=5)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert QUERY in result["msg"]
    assert len(calls(sim)) == 1


# --- TLS


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a certificate authority that no program trusts, of a server's certificate, and of another authority."""
    folder = tmp_path_factory.mktemp("tls")
    ours, other = trustme.CA(), trustme.CA()
    server = ours.issue_cert("127.0.0.1")
    paths = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key", "other")}
    ours.cert_pem.write_to_path(str(paths["ca"]))
    other.cert_pem.write_to_path(str(paths["other"]))
    server.private_key_pem.write_to_path(str(paths["key"]))
    for part in server.cert_chain_pems:
        part.write_to_path(str(paths["cert"]), append=True)
    return paths


@pytest.fixture(scope="session")
def secure(authority: dict[str, Path]) -> Iterator[Simulator]:
    """A simulator that serves HTTPS."""
    arguments = ["--tls-cert", str(authority["cert"]), "--tls-key", str(authority["key"]), "--minute", "2"]
    with running_simulator(arguments, verify=str(authority["ca"])) as running:
        yield running


@pytest.mark.parametrize("trusted", [None, "other"])
def test_a_certificate_that_is_not_trusted_is_reported_once(
    whitelist: Operate, secure: Simulator, authority: dict[str, Path], trusted: str | None
) -> None:
    secure.reset()
    ca_path = str(authority[trusted]) if trusted else None
    result = whitelist([A], api_url=secure.api_url, key=secure.key, ca_path=ca_path)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert "certificate" in result["msg"]
    assert "ca_path" in result["msg"]
    assert secure.journal() == []


def test_a_certificate_for_another_name_is_reported(
    whitelist: Operate, secure: Simulator, authority: dict[str, Path]
) -> None:
    secure.reset()
    url = secure.api_url.replace("127.0.0.1", "localhost")
    result = whitelist([A], api_url=url, key=secure.key, ca_path=str(authority["ca"]))
    assert result["failed"] is True
    assert "certificate" in result["msg"]
    assert secure.journal() == []


def test_the_right_authority_makes_it_trusted(
    whitelist: Operate, secure: Simulator, authority: dict[str, Path]
) -> None:
    secure.reset()
    result = whitelist([A], api_url=secure.api_url, key=secure.key, ca_path=str(authority["ca"]))
    assert "failed" not in result, result["msg"]
    assert secure.whitelist() == [A]


def test_certificates_need_not_be_checked(whitelist: Operate, secure: Simulator) -> None:
    secure.reset()
    result = whitelist([A], api_url=secure.api_url, key=secure.key, validate_certs=False)
    assert "failed" not in result, result["msg"]
    assert secure.whitelist() == [A]


@pytest.mark.parametrize("content", [None, "this is no certificate\n"])
def test_a_file_that_is_no_authority_is_reported(
    whitelist: Operate, secure: Simulator, tmp_path: Path, content: str | None
) -> None:
    secure.reset()
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_text(content)
    result = whitelist([A], api_url=secure.api_url, key=secure.key, ca_path=str(path), max_wait=0)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    reason = "No such file or directory" if content is None else NO_CERTIFICATES
    assert f"ca_path {path} cannot be used: {reason}. " in result["msg"]
    assert secure.journal() == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authorities_of_the_environment_are_used_or_refused_before_any_call(
    whitelist: Operate,
    secure: Simulator,
    authority: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    secure.reset()
    options = {"api_url": secure.api_url, "key": secure.key, "max_wait": 0}
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("this is no certificate\n")
    for path, reason in ((tmp_path / "none.pem", "No such file or directory"), (garbage, NO_CERTIFICATES)):
        monkeypatch.setenv(name, str(path))
        result = whitelist([A], **options)
        assert result["failed"] is True
        assert result["msg"] == (
            f"The environment variable {name}={path} cannot be used: {reason}. Name a file of certificate authorities "
            "in PEM format in it, or unset it, or set ca_path."
        )
        # They concern no other call.
        assert "failed" not in whitelist([A], **options, check=True, ca_path=str(authority["ca"]))
        assert "failed" not in whitelist([A], **options, check=True, validate_certs=False)
        refused = whitelist([A], **{**options, "api_url": "http://127.0.0.1:9"})
        assert "connection refused" in refused["msg"]
    monkeypatch.setenv(name, str(authority["ca"]))
    assert "failed" not in whitelist([A], **options)
    assert secure.whitelist() == [A]


@pytest.mark.parametrize("swap", [("http:", "https:"), ("https:", "http:")])
def test_the_wrong_scheme_is_reported(
    whitelist: Operate, sim: Simulator, secure: Simulator, swap: tuple[str, str]
) -> None:
    secure.reset()
    server = sim if swap[0] == "http:" else secure
    result = whitelist([A], api_url=server.api_url.replace(*swap), max_wait=0, timeout=5)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
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
        assert result["failed"] is True
        assert_one_sentence(result["msg"])
        assert f"HTTP {status}" in result["msg"]
    assert calls(sim, ADD, DEL) == []
    assert sim.whitelist() == [A]
