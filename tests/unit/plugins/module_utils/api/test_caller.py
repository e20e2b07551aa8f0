# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients send and show: signatures, QG.net's time, errors without secrets, repetitions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account import Account, Identity
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.exchange import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.key import (
    EARLIEST,
    LATEST,
    KeyCaller,
    VendorClock,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import Leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product_shapes import (
    read_product_held,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.whitelist import Whitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    Effect,
    QgError,
    TransportError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import (
    Clock,
    Runtime,
    WaitBudget,
    use,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import open_store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from hypothesis import given
from hypothesis import strategies as st
from support import phrases

KEY = "SECRETKEY1"
PASSWORD = "s3cr3t+pass/word"
IP = "203.0.113.1"
IDENTITY = Identity("qgdemo01", "0123456789abcdef0123", "www.qg.net")
NOW = 1_800_000_000.0
SIGNATURE = IDENTITY.signed(NOW)["sign"]
#: What a call for a key shows, and what it must not show; and the same for an account.
KEY_SECRETS = (KEY, PASSWORD, "s3cr3t%2Bpass%2Fword")
ACCOUNT_SECRETS = (IDENTITY.app_key, SIGNATURE)


class ScriptedTransport(Transport):
    """Plays back responses and exceptions, the last one for ever."""

    def __init__(self, *script: HttpResponse | Exception) -> None:
        super().__init__(timeout=10)
        self._script = list(script)
        self.methods: list[str] = []

    def send(
        self, method: str, url: str, parameters: Mapping[str, str], endpoint: str
    ) -> HttpResponse:
        self.methods.append(method)
        step = self._script[0]
        if len(self._script) > 1:
            self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def key_caller(
    directory: Path, transport: Transport, max_wait: float = 300.0, **product: str
) -> KeyCaller:
    """The caller for a key, which does not sleep."""
    budget = WaitBudget(max_wait, sleep=lambda _seconds: None)
    limiter = RateLimiter(open_store(str(directory)))
    return KeyCaller(
        transport, limiter, budget, url="https://api.example", key=KEY, password=PASSWORD, **product
    )


def whitelist(directory: Path, transport: Transport, max_wait: float = 300.0) -> Whitelist:
    return Whitelist(key_caller(directory, transport, max_wait))


def account(transport: Transport) -> Account:
    """The client of an account, which has no time to wait."""
    return Account(transport, WaitBudget(0), url="https://account.example/api", identity=IDENTITY)


def shown(work: Callable[[], object]) -> str:
    """All that an error could show, which is one line."""
    with pytest.raises(QgError) as caught:
        work()
    error = caught.value
    assert "\n" not in error.message
    return f"{error.message} {error.details} {error!r}"


#: Status and text of a response that repeats a secret.
ECHOES = [
    (200, "<html>GET /x?sign=SECRET</html>"),
    (502, "Bad gateway for ?Key=SECRET"),
    (404, "no SECRET"),
    (302, "SECRET"),
    (200, '["SECRET"]'),
    (200, '{"Code": 7, "Message": "SECRET", "Msg": "SECRET", "RequestId": "SECRET"}'),
    (200, '{"Code": "SECRET"}'),
    (200, '{"Code": true, "Msg": "SECRET"}'),
    (200, '{"Code": ["SECRET"]}'),
    (200, '{"Code": 0, "Data": "SECRET"}'),
    (200, '{"Code": 0, "Data": [["SECRET"]]}'),
    (200, '{"SECRET": 0}'),
]


@pytest.mark.parametrize("secret", [*KEY_SECRETS, *ACCOUNT_SECRETS])
@pytest.mark.parametrize(("status", "text"), ECHOES)
def test_no_message_quotes_a_secret(tmp_path: Path, status: int, text: str, secret: str) -> None:
    headers = {"Location": f"https://elsewhere.example/?Key={secret}"}
    transport = ScriptedTransport(HttpResponse(status, text.replace("SECRET", secret), headers))
    with use(Runtime(clock=Clock(wall=lambda: NOW))):
        if secret in KEY_SECRETS:
            message = shown(whitelist(tmp_path, transport, max_wait=0).whitelist)
        else:
            message = shown(lambda: account(transport).lines(115))
    assert secret not in message


PASSWORD_FIELDS = (
    "Login_password",
    "business_password",
    "ADSL_PASSWORD",
    "Authkey",
    "Auth_Key",
    "loginPassword",
)


@pytest.mark.parametrize("name", PASSWORD_FIELDS)
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
def test_a_response_that_cannot_be_read_does_not_show_its_passwords(body: str, name: str) -> None:
    for status in (200, 404, 500):
        client = account(ScriptedTransport(HttpResponse(status, body.format(name=name), {})))
        for call in (client.instances, lambda client=client: client.proxy_plan("x", 117)):
            assert "hidden" not in result_or_error(call)


def result_or_error(call: Callable[[], Any]) -> str:
    try:
        return str(call())
    except QgError as error:
        return f"{error.message} {error.details} {error!r}"


def test_the_text_before_a_password_is_still_shown_of_such_a_response() -> None:
    text = '{"error": "maintenance until 5", "Login_password": "hidden"}'
    assert "maintenance until 5" in shown(
        account(ScriptedTransport(HttpResponse(200, text, {}))).instances
    )


def failure(effect: Effect) -> TransportError:
    return TransportError("it failed somehow", endpoint="/whitelist/add", effect=effect)


def test_a_write_whose_response_was_lost_is_not_repeated_blindly(tmp_path: Path) -> None:
    transport = ScriptedTransport(failure(Effect.UNKNOWN))
    with pytest.raises(TransportError):
        whitelist(tmp_path, transport).add([IP])
    assert len(transport.methods) == 1


def test_a_write_that_was_never_sent_is_repeated(tmp_path: Path) -> None:
    success = HttpResponse(200, f'{{"Code": 0, "Data": ["{IP}"], "Num": 1}}', {})
    transport = ScriptedTransport(failure(Effect.NOT_SENT), success)
    assert whitelist(tmp_path, transport).add([IP]) == {IP}
    assert len(transport.methods) == 2


@pytest.mark.parametrize(("seconds", "attempts"), [(5.0, 2), (10.1, 1)])
def test_an_api_that_cannot_be_reached_is_given_up_after_one_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, attempts: int
) -> None:
    """Its URL is most often wrong, and an attempt takes up to ten seconds."""
    time = [0.0]

    class SlowTransport(ScriptedTransport):
        def send(
            self, method: str, url: str, parameters: Mapping[str, str], endpoint: str
        ) -> HttpResponse:
            time[0] += seconds
            return super().send(method, url, parameters, endpoint)

    unreachable = TransportError(
        "no way there", endpoint="/whitelist/query", effect=Effect.NOT_SENT, option="api_url"
    )
    transport = SlowTransport(unreachable)
    caller = whitelist(tmp_path, transport)
    monkeypatch.setattr(caller.caller.budget, "elapsed", lambda: time[0])
    with pytest.raises(TransportError, match="no way there"):
        caller.whitelist()
    assert len(transport.methods) == attempts


def test_without_time_to_wait_the_failure_is_reported_and_not_the_waiting(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="it failed somehow"):
        whitelist(tmp_path, ScriptedTransport(failure(Effect.UNKNOWN)), max_wait=0).whitelist()


@pytest.mark.parametrize("by_task", [False, True])
def test_no_release_is_sent_without_a_name(tmp_path: Path, by_task: bool) -> None:
    """The vendor might release everything."""
    entry = {"server": "192.0.2.30:22294", "area": "130227", "distinct": False}
    (lease,) = read_product_held([entry]) or []
    transport = ScriptedTransport(HttpResponse(200, "{}", {}))
    client = Leases(key_caller(tmp_path, transport, product="exclusive"))
    with pytest.raises(QgError, match=phrases.NAMES_NOTHING):
        client.release([lease], by_task=by_task, sending=nullcontext)
    assert transport.methods == []


APP_KEY = "0123456789abcdef0123"
DEMO = Identity("qgdemo01", APP_KEY, "www.qg.net")
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.mark.parametrize("now", [1700000000, 1700000000.0, 1700000000.999])
def test_the_vector_of_the_facts(now: float) -> None:
    assert DEMO.signed(now) == {
        "appid": "qgdemo01",
        "domain": "www.qg.net",
        "time": "1700000000",
        "sign": "ad958eb5e4d73bc42bc2405599287116",
    }


@given(WORDS, WORDS, WORDS, st.integers(0, 10**11))
def test_the_parts_are_concatenated(app_id: str, app_key: str, domain: str, now: int) -> None:
    signed = Identity(app_id, app_key, domain).signed(now)
    whole = hashlib.md5(
        (app_id + domain + str(now) + app_key).encode("utf-8"), usedforsecurity=False
    )
    assert signed == {
        "appid": app_id,
        "domain": domain,
        "time": str(now),
        "sign": whole.hexdigest(),
    }


def test_the_key_is_shown_by_nothing() -> None:
    assert APP_KEY not in repr(DEMO)
    assert APP_KEY not in str(DEMO)
    assert APP_KEY not in str(DEMO.signed(0))


START = 1_800_000_000.0
WRONG = 1_700_000_000.0


class Machine:
    """A control node with a wrong wall clock."""

    def __init__(self) -> None:
        self.time = 5000.0
        self.clock = VendorClock(lambda: self.time, lambda: WRONG)


@pytest.fixture(name="machine")
def machine_fixture() -> Machine:
    return Machine()


def test_the_wall_clock_stands_in_until_a_response_shows_the_vendors_time(machine: Machine) -> None:
    assert machine.clock.now() == machine.clock.latest() == WRONG
    machine.clock.observe(START, 0.0)
    machine.time += 60
    assert machine.clock.now() == START + 60


def test_a_date_of_whole_seconds_does_not_move_the_clock_to_and_fro(machine: Machine) -> None:
    machine.clock.observe(START, 0.0)
    machine.time += 0.9
    machine.clock.observe(START, 0.0)
    assert machine.clock.now() == pytest.approx(START + 0.9)
    machine.time += 10
    machine.clock.observe(START + 5, 3.0)
    assert machine.clock.now() == pytest.approx(START + 5), "its clock was set back"


def test_a_date_leaves_open_a_second_and_the_time_of_the_exchange(machine: Machine) -> None:
    machine.clock.observe(START, 0.5)
    assert machine.clock.now() == START
    assert machine.clock.latest() == START + 1.5
    machine.time += 0.9
    machine.clock.observe(START, 0.0)
    assert machine.clock.now() == pytest.approx(START + 0.9)
    assert machine.clock.latest() == pytest.approx(START + 1.0)


@pytest.mark.parametrize("date", [0.0, EARLIEST - 1, LATEST + 1])
def test_a_date_of_a_server_whose_clock_is_not_set_is_ignored(
    machine: Machine, date: float
) -> None:
    machine.clock.observe(date, 0.0)
    assert machine.clock.now() == WRONG
