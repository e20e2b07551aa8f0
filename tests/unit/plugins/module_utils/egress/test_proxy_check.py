# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of proxies from a host: options, the shell command, its output, and the evaluation."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.proxy_check import (
    Command,
    Proxy,
    ProxyCheckRequest,
    ProxyReply,
    build_commands,
    describe_shortage,
    evaluate,
    parse_replies,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.shell import single_line
from hypothesis import given
from hypothesis import strategies as st

URL = "https://echo.example/ip"
ONE, TWO, THREE = "203.0.113.1:8001", "203.0.113.2:8002", "proxy.example:8003"
EXIT, OTHER = "198.51.100.7", "198.51.100.8"


OPTIONS: dict[str, Any] = {"url": URL, "timeout": 10.0, "parallel": 50, "expect": "any", "min_working": None}


def parse(*proxies: Any, **changes: Any) -> ProxyCheckRequest:
    return ProxyCheckRequest.parse({**OPTIONS, "proxies": list(proxies), **changes})


def probe(*servers: str, **changes: Any) -> ProxyCheckRequest:
    return ProxyCheckRequest(**{"proxies": tuple(Proxy(server) for server in servers), "url": URL, **changes})


def addresses(count: int) -> list[str]:
    """The longest that an IPv4 proxy can be."""
    return [f"203.{100 + n // 100}.{100 + n % 100}.100:{10000 + n}" for n in range(count)]


# --- options


@pytest.mark.parametrize(
    ("entry", "server"),
    [
        *((entry, ONE) for entry in (ONE, f"http://{ONE}", f"http://{ONE}/", f"  {ONE}\n")),
        ("Proxy.Example:80", "Proxy.Example:80"),
        ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        ({"server": ONE, "ip": EXIT, "deadline": None}, ONE),
        ({"server": f"http://{ONE}"}, ONE),
    ],
)
def test_a_proxy_is_given_as_text_or_as_a_lease(entry: Any, server: str) -> None:
    assert [proxy.server for proxy in parse(entry).proxies] == [server]


#: What a message shows of a text that is no proxy, by the text.
SHOWN = {
    **{text: text for text in ("203.0.113.1", "203.0.113.1:0", "203.0.113.1:70000", "203.0.113.256:80", "")},
    **{text: text for text in ("socks5://203.0.113.1:80", "https://203.0.113.1:80", "2001:db8::1:80")},
    **dict.fromkeys(("203.0.113.1:", "203.0.113.1:80:user:secret"), "203.0.113.1..."),
    **dict.fromkeys(("203.0.113:80", ":80", "-oProxy:80", "a b:80", "a\nb:80", "$(id):80", "\u212aroxy:80"), "..."),
    **dict.fromkeys(("user:secret", "[2001:db8::1%eth0]:80", "[203.0.113.1]:80"), "..."),
    **dict.fromkeys(("http://203.0.113.1:80/secret", "http://203.0.113.1:80/?Key=secret"), "http://203.0.113.1:80/..."),
}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        *((text, f"entry 1, contains '{shown}': give HOST:PORT") for text, shown in SHOWN.items()),
        *(
            (text, "entry 1, contains a user name or a password: leave it out")
            for text in ("user:secret@203.0.113.1:80", "http://secret@203.0.113.1:80", "203.0.113.1:80@user:secret")
        ),
        ({"server": "user:secret@203.0.113.1:80"}, "entry 1, contains a user name or a password"),
        ({"ip": EXIT}, "entry 1, is a lease without a server: leave out leases"),
        *(({"server": server}, "entry 1, is a lease without a server") for server in (None, 5)),
        (8080, "entry 1, is neither text nor a lease: give HOST:PORT"),
        *((entry, "entry 1, is neither text") for entry in (None, [ONE])),
    ],
)
def test_an_unusable_proxy_is_named_without_its_password(entry: Any, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse(entry)
    assert caught.value.message.startswith("proxies, ")
    assert words in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "echo.example"}, "url 'echo.example' cannot be used"),
        ({"url": "ftp://echo.example/"}, "url 'ftp://echo.example/' cannot be used"),
        ({"url": "https://user:secret@echo.example/"}, "url contains a user name"),
        ({"timeout": 0.5}, "timeout=0.5 is out of range: give a number from 1 to 300"),
        ({"timeout": 301.0}, "timeout=301 is out of range"),
        ({"timeout": float("nan")}, "timeout=nan is out of range"),
        ({"parallel": 0}, "parallel=0 is out of range: give a number from 1 to 500"),
        ({"parallel": 501}, "parallel=501 is out of range"),
        ({"min_working": -1}, "min_working=-1 is out of range: give 0 or more"),
    ],
)
def test_a_mistake_in_an_option_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse(ONE, **changes)
    assert words in caught.value.message
    assert "secret" not in caught.value.message


def test_the_exit_of_a_lease_is_compared_only_on_request() -> None:
    lease = {"server": ONE, "ip": "no address"}
    assert parse(lease).proxies == (Proxy(ONE),)
    with pytest.raises(OptionError, match=r"entry 1, is a lease whose ip '\.\.\.' is not an address"):
        parse(lease, expect="lease")
    asked = parse({"server": ONE, "ip": EXIT}, {"server": TWO, "ip": None}, {"server": THREE}, ONE, expect="lease")
    assert asked.proxies == (Proxy(ONE, EXIT), Proxy(TWO), Proxy(THREE), Proxy(ONE))


def test_each_label_of_a_tunnel_is_a_proxy_of_its_own() -> None:
    entries = [
        {"server": ONE, "label": "a", "ttl": 60},
        {"server": ONE, "label": "web-1.example"},
        {"server": ONE},
        {"server": ONE},
    ]
    request = parse(*entries, min_working=4)
    (command,) = build_commands(request)
    assert command.targets == (f"{ONE} a 60", f"{ONE} web-1.example", ONE)
    assert f"check 0 {ONE} a 60; " in command.script
    result = evaluate(request, dict.fromkeys(command.targets, ProxyReply("curl", EXIT, 0.5)))
    assert [check["label"] for check in result["checks"]] == ["a", "web-1.example", None, None]
    assert result["working"] == [ONE]
    assert str(describe_shortage(request, result)).startswith(
        "All of 3 proxies work, but min_working=4: give more proxies"
    )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"label": "a b"}, "entry 1, has the label 'a b': give 1 to 64 letters, digits, underscores, hyphens and dots"),
        ({"label": "a", "ttl": 0}, "entry 1, has the ttl '0': give whole seconds from 1 to 86400"),
        ({"ttl": 60}, "entry 1, has the ttl '60'"),
        ({"label": "$(reboot)"}, "entry 1, has the label '$(reboot)'"),
    ],
)
def test_a_wrong_label_is_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse({"server": ONE, **entry})
    assert words in caught.value.message


@given(st.text(max_size=60))
def test_no_text_gets_past_that_a_shell_takes_for_more_than_a_word(text: str) -> None:
    try:
        (proxy,) = parse(text).proxies
    except OptionError:
        return
    host, _colon, port = proxy.server.rpartition(":")
    assert host.strip("[]").replace(":", "").replace(".", "").replace("-", "").replace("_", "").isalnum()
    assert not host.startswith("-")
    assert port.isdigit()
    assert proxy.server.isascii()


# --- the command


def test_no_proxy_means_no_command() -> None:
    assert list(build_commands(probe())) == []


def test_each_proxy_is_checked_once_for_all_its_spellings() -> None:
    (command,) = build_commands(probe(ONE, TWO, ONE))
    assert command.targets == (ONE, TWO)
    assert command.script.count(ONE) == 1


def test_as_many_lanes_as_requests_at_the_same_time() -> None:
    (command,) = build_commands(probe(*addresses(7), parallel=3))
    lanes = [line for line in command.script.splitlines() if line.startswith("{ check ")]
    jobs = [[int(job.split()[1]) for job in lane[2:].split("; ")[:-1]] for lane in lanes]
    assert jobs == [[0, 3, 6], [1, 4], [2, 5]]
    (command,) = build_commands(probe(*addresses(2), parallel=500))
    assert command.script.count("{ check ") == 2


def handed_on(script: str, shells: int) -> str:
    """A command as so many shells hand it on, each as one argument of the next."""
    script = single_line(script)
    for _shell in range(shells):
        script = f"/bin/sh -c {shlex.quote(script)}"
    return script


def test_500_proxies_fit_into_one_argument_also_where_another_user_asks() -> None:
    (command,) = build_commands(probe(*addresses(500)))
    # Over SSH all of it is one argument of the user's shell; becoming another user adds a shell.
    assert len(handed_on(command.script, 2)) < 32 * 1024


@pytest.mark.parametrize(
    "servers",
    [
        addresses(5000),
        [f"[2001:db8:1111:2222:3333:4444:5555:{n:x}]:65000" for n in range(0x1000, 0x1000 + 3000)],
        [f"{'n' * 240}{n}:65000" for n in range(1000)],
    ],
    ids=["IPv4", "IPv6", "names"],
)
def test_a_list_that_is_too_long_for_one_command_goes_in_several(servers: list[str]) -> None:
    found = list(build_commands(probe(*servers)))
    assert 1 < len(found) < 8
    assert [server for command in found for server in command.targets] == servers
    assert len({command.nonce for command in found}) == len(found)
    for command in found:
        assert len(handed_on(command.script, 2)) < 128 * 1024


hostile = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)


@given(path=hostile, servers=st.lists(st.sampled_from([ONE, THREE, "[2001:db8::1]:80"]), min_size=1))
def test_the_command_is_valid_shell_whatever_the_options_hold(path: str, servers: list[str]) -> None:
    (command,) = build_commands(probe(*servers, url=f"https://echo.example/{path}"))
    checked = subprocess.run(["/bin/sh", "-n"], input=command.script, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


# --- what comes back


def heard(
    tool: str, answer: str = "", *, code: int = 0, complaint: str = "", began: str = "-", end: str = "-"
) -> ProxyReply:
    """The reply in a record of this content."""
    command = Command("", "qgN", (ONE,))
    found = parse_replies(
        f"Welcome!\r\n\nqgN 0 {tool} {complaint}\nqgN: {code} {began} {end} {answer}\nqgN.\nbye", command
    )
    assert list(found) == [ONE]
    return found[ONE]


def curl(answer: str, http: int = 200, connect: int = 0, *, code: int = 0) -> ProxyReply:
    return heard("curl", f"{answer}\nqgN; {http:03} {connect:03} 0.218445", code=code)


def test_curl_reports_the_duration() -> None:
    assert curl(f"{EXIT}\n") == ProxyReply("curl", EXIT, 0.218445)
    assert curl(EXIT, 200, 200) == ProxyReply("curl", EXIT, 0.218445)


def test_python_reports_the_duration_after_other_output() -> None:
    reply = heard("python", EXIT, complaint="a warning\n200 0.218445")
    assert reply == ProxyReply("python", EXIT, 0.218445)


@pytest.mark.parametrize(
    ("began", "end", "seconds"),
    [
        ("1700000000250000000", "1700000000750000000", 0.5),
        ("1700000000", "1700000002", 2.0),
        ("1700000002", "1700000000", 0.0),
        ("-", "-", None),
        ("1700000000", "1700000000750000000", None),
        ("1700000000N", "1700000001N", None),
    ],
)
def test_for_wget_the_time_is_that_between_two_dates(began: str, end: str, seconds: float | None) -> None:
    assert heard("wget", EXIT, began=began, end=end) == ProxyReply("wget", EXIT, seconds)


NOT_LISTED = "HTTP status 407): the host's egress address is not on the whitelist"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (curl("", 407, code=22), NOT_LISTED),
        (curl("", 0, 407, code=56), NOT_LISTED),
        (heard("python", code=22, complaint="407 0.1"), NOT_LISTED),
        (heard("python", code=56, complaint="407 0.1"), NOT_LISTED),
        (heard("wget", code=8, complaint="http://x/:\n2026-01-01 00:00:00 ERROR 407: No.\n"), NOT_LISTED),
        (heard("wget", code=1, complaint="wget: server returned error: HTTP/1.1 407 No"), NOT_LISTED),
        (heard("wget", code=5, complaint="Proxy tunneling failed: Proxy Authentication Required\n"), NOT_LISTED),
        (heard("wget", code=5, complaint="Proxy tunneling failed: No\n"), "the proxy opens no tunnel; perhaps"),
        (curl("", 0, 503, code=56), "the proxy opens no tunnel (HTTP status 503)"),
        (heard("python", code=56, complaint="503 0.1"), "the proxy opens no tunnel (HTTP status 503)"),
        (curl("", 503, code=22), "HTTP status 503"),
        (curl(EXIT, 302), "HTTP status 302"),
        (heard("python", EXIT, complaint="302 0.1"), "HTTP status 302"),
        (heard("wget", code=8, complaint="0 redirections exceeded."), "a redirect"),
        (curl("", 0, code=7), "no connection, refused or unreachable (curl ended with 7)"),
        (heard("python", code=7, complaint="0 0.1"), "no connection, refused or unreachable"),
        (heard("wget", code=4, complaint="failed: Connection refused.\n"), "the connection was refused"),
        (curl("", 0, code=28), "no response in time"),
        (heard("python", code=142), "no response in time"),
        (heard("wget", code=4, complaint="Read error (Connection timed out) in headers."), "no response in time"),
        (heard("wget", code=1, complaint="wget: download timed out"), "no response in time"),
        (heard("wget", code=124), "no response in time"),
        (curl("", 0, 200, code=60), "the echo service's certificate is not trusted"),
        (heard("python", code=60, complaint="0 0.1"), "the echo service's certificate is not trusted"),
        (heard("wget", code=5, complaint="ERROR: The certificate of 'x' is not trusted."), "service's certificate"),
        (heard("wget", code=4, complaint="Unable to establish SSL connection."), "no TLS"),
        (curl("", 0, code=5), "the proxy's name is unknown"),
        (heard("wget", code=1, complaint="wget: bad address 'x'"), "the proxy's name is unknown"),
        (curl("", 0, code=52), "an empty response"),
        (curl("", 0, code=99), "no response (curl ended with 99)"),
        (heard("wget", code=4), "no connection (wget ended with 4)"),
    ],
)
def test_failures_are_explained(reply: ProxyReply, words: str) -> None:
    assert reply.response is None
    assert words in (reply.error or "")


def test_a_cut_off_record_is_no_answer() -> None:
    command = Command("", "qgN", (ONE, TWO, THREE))
    found = parse_replies(f"\nqgN 0 curl \nqgN: 0 - - {EXIT}", command)
    assert found == {ONE: ProxyReply("curl", error="its response was cut off")}
    assert parse_replies("\nqgN 1 curl complaint with no end\nqgN.\n", command)[TWO].error == "its response was cut off"
    assert parse_replies("\nqgN ", command) == {}


def test_a_proxy_cannot_forge_the_record_of_another() -> None:
    (command,) = build_commands(probe(ONE, TWO))
    forged = f"\nqg 1 curl \nqg: 0 - - {OTHER}\nqg.\n"
    printed = f"\n{command.nonce} 0 curl \n{command.nonce}: 0 - - {EXIT}{forged}\n{command.nonce}.\n"
    found = parse_replies(printed, command)
    assert list(found) == [ONE]
    with pytest.raises(KeyError):
        evaluate(probe(ONE, TWO), found)


@given(
    answer=st.text(st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=["Cs"]), max_size=200),
    complaint=st.text(st.characters(codec="ascii", exclude_characters="\r"), max_size=200),
    code=st.integers(0, 255),
    tool=st.sampled_from(["curl", "wget", "python"]),
)
def test_a_reply_is_an_answer_or_a_reason(answer: str, complaint: str, code: int, tool: str) -> None:
    reply = heard(tool, answer, code=code, complaint=complaint)
    assert (reply.response is None) != (reply.error is None)
    if code:
        assert reply.error
    (check,) = evaluate(probe(ONE), {ONE: reply})["checks"]
    assert check["ok"] == (check["error"] is None)
    if check["ok"]:
        assert check["exit_ip"]
    else:
        assert check["exit_ip"] is None
        assert str(check["error"]).isprintable()


# --- the judgement


def test_the_result_keeps_the_order_and_ranks_those_that_work() -> None:
    empty = "an empty response (curl ended with 52)"
    replies = {
        ONE: ProxyReply("curl", EXIT, 0.5),
        TWO: ProxyReply("curl", error=empty, seconds=0.1),
        THREE: ProxyReply("curl", f'{{"ip": "{OTHER}"}}', 0.2181111),
    }
    good = {"label": None, "ok": True, "error": None, "tool": "curl"}
    failed = {**good, "ok": False, "error": empty, "exit_ip": None, "latency_seconds": None}
    assert evaluate(probe(ONE, TWO, THREE), replies) == {
        "checks": [
            {**good, "server": ONE, "exit_ip": EXIT, "latency_seconds": 0.5},
            {**failed, "server": TWO},
            {**good, "server": THREE, "exit_ip": OTHER, "latency_seconds": 0.218111},
        ],
        "working": [THREE, ONE],
        "failed_count": 1,
        "fastest": THREE,
    }


def test_a_proxy_without_a_known_duration_comes_last() -> None:
    replies = {ONE: ProxyReply("wget", EXIT), TWO: ProxyReply("wget", EXIT, 3.0), THREE: ProxyReply("wget", EXIT)}
    assert evaluate(probe(ONE, TWO, THREE), replies)["working"] == [TWO, ONE, THREE]


def test_no_proxies_are_an_empty_result_and_a_duplicate_has_two_checks_and_works_once() -> None:
    assert evaluate(probe(), {}) == {"checks": [], "working": [], "failed_count": 0, "fastest": None}
    result = evaluate(probe(ONE, ONE), {ONE: ProxyReply("curl", EXIT, 0.5)})
    assert (len(result["checks"]), result["working"]) == (2, [ONE])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("<html>Log in", 'the echo service, or the proxy in its place, said "<html>Log in", which is not an address'),
        ("", "said nothing"),
        (f"{EXIT} {OTHER}", "which is not an address"),
        ("\x1b[31m\x07", "which is not an address"),
    ],
)
def test_an_answer_that_is_no_address_is_an_error(answer: str, words: str) -> None:
    (check,) = evaluate(probe(ONE), {ONE: ProxyReply("curl", answer, 0.1)})["checks"]
    assert words in check["error"]
    assert check["latency_seconds"] is None


def test_a_proxy_may_come_out_under_ipv6() -> None:
    assert evaluate(probe(ONE), {ONE: ProxyReply("curl", "2001:DB8::7", 0.1)})["checks"][0]["exit_ip"] == "2001:db8::7"


def test_a_lease_with_another_exit_fails_on_request() -> None:
    asked = ProxyCheckRequest((Proxy(ONE, EXIT), Proxy(TWO, EXIT), Proxy(THREE)), URL)
    result = evaluate(
        asked, {server: ProxyReply("curl", OTHER, 0.1) for server in (ONE, TWO, THREE)} | {TWO: ProxyReply("c", EXIT)}
    )
    assert [check["ok"] for check in result["checks"]] == [False, True, True]
    assert result["checks"][0]["error"] == f"its exit is {OTHER}, not {EXIT} as in its lease"
    assert result["checks"][0]["exit_ip"] == OTHER
    assert result["working"] == [THREE, TWO]


def test_a_host_without_any_tool_can_check_nothing() -> None:
    replies = {ONE: heard("none", code=127)}
    with pytest.raises(QgError, match=r"nor GNU wget, nor python3 \(the wget of busybox is sufficient only for"):
        evaluate(probe(ONE), replies)
    with pytest.raises(QgError, match=r"nor python3\. Install one of them"):
        evaluate(probe(ONE, url="http://echo.example/ip"), replies)


def test_fewer_working_proxies_than_required_are_an_error_with_reasons() -> None:
    asked = probe(ONE, TWO, THREE, THREE, min_working=2)
    broken = ProxyReply("curl", error="the connection broke (curl ended with 56)")
    result = evaluate(
        asked, {ONE: ProxyReply("curl", EXIT, 0.5), TWO: ProxyReply("curl", error="no TLS"), THREE: broken}
    )
    assert describe_shortage(asked, result) == (
        "Only 1 of 3 proxies works, but min_working=2. Reasons: no TLS, for 1 proxy; the connection broke (curl ended "
        "with 56), for 1 proxy."
    )
    assert describe_shortage(probe(ONE, min_working=1), result) is None
    assert describe_shortage(probe(ONE), evaluate(probe(), {})) is None
    assert describe_shortage(probe(min_working=0), evaluate(probe(), {})) is None
    nothing = probe(min_working=1)
    assert (
        describe_shortage(nothing, evaluate(nothing, {}))
        == "No proxy is given, but min_working=1: give more proxies, or lower min_working."
    )


def test_no_working_proxy_is_said_in_plain_words_and_each_proxy_counts_once() -> None:
    asked = probe(ONE, TWO, TWO, min_working=1)
    refused = ProxyReply("curl", error="no connection, refused or unreachable (curl ended with 7)")
    assert describe_shortage(asked, evaluate(asked, {ONE: refused, TWO: refused})) == (
        "None of 2 proxies works, but min_working=1. Reasons: no connection, refused or unreachable (curl ended with "
        "7), for 2 proxies."
    )
    asked = probe(ONE, ONE, min_working=1)
    message = str(describe_shortage(asked, evaluate(asked, {ONE: refused})))
    assert message.startswith("The only proxy does not work, but min_working=1. Reasons: no connection")


def test_a_proxy_that_has_the_exit_of_one_of_its_leases_works() -> None:
    asked = ProxyCheckRequest((Proxy(ONE, EXIT), Proxy(ONE, OTHER)), "http://echo.example/ip", min_working=1)
    assert describe_shortage(asked, evaluate(asked, {ONE: ProxyReply("curl", EXIT, 0.5)})) is None


def test_a_shortage_names_the_most_frequent_reasons_and_counts_the_others() -> None:
    servers = [f"203.0.113.9:{number}" for number in range(1, 6)]
    asked = probe(*servers, min_working=1)
    replies = {server: ProxyReply("curl", error=f"reason {number}") for number, server in enumerate(servers)}
    message = str(describe_shortage(asked, evaluate(asked, replies)))
    assert message.endswith("reason 2, for 1 proxy; other reasons, for 2 proxies.")


def test_a_record_is_short_enough_for_a_pipe_to_take_it_in_one_piece(tmp_path: Path) -> None:
    """Whatever a proxy sends; longer ones would be printed in parts, between which others come."""
    talkative = tmp_path / "curl"
    talkative.write_text(f"#!/bin/sh\nprintf %s {'a' * 9000}\nprintf %s {'c' * 9000} >&2\n")
    talkative.chmod(0o755)
    (command,) = build_commands(probe(*addresses(20)))
    ran = subprocess.run(
        ["/bin/sh", "-c", command.script], env={"PATH": str(tmp_path)}, capture_output=True, check=True
    )
    assert len(ran.stdout) < 20 * 4096
    found = parse_replies(ran.stdout.decode(), command)
    assert found == dict.fromkeys(command.targets, ProxyReply("curl", error="its response was cut off"))
