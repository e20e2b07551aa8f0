# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings hold no secret in any spelling, and repeat the run that they were made of."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from live.comparison import compare
from live.exchange import Call, Reply
from live.notations import canonical, replaced
from live.probes import Probes, Wanted
from live.recording import MAX_TEXT, Pseudonyms, SecretError, read, record, write
from live.transports import Simulated, Situation
from simulator.keys.notations import NOTATIONS
from simulator.keys.notations import write as written
from simulator.keys.plans import DEDICATED, EXCLUSIVE, LONGTERM, OVERSEAS
from support.spellings import ENCODERS

KEY, PWD = "8Q2LW0ZX", "c0ffee12b4b3"
ENTRY = "198.51.100.77"
FOLDER = Path(__file__).resolve().parents[2] / "live" / "recordings"


class Echoing(Simulated):
    """A vendor that repeats key, password and an address in its messages, in one spelling."""

    def __init__(self, situation: Situation, settings: dict[str, Any], spelling: str) -> None:
        super().__init__(situation, settings)
        self.core.keys[self.key].whitelist.append(ENTRY)
        self._spelling = spelling

    def send(self, call: Call) -> Reply:
        reply = super().send(call)
        if not hasattr(self, "_spelling"):
            return reply
        chance = random.Random(len(call.params))
        texts = [ENCODERS[self._spelling](text, chance) for text in (KEY, PWD, ENTRY)]
        body = reply.body
        if not isinstance(body, dict):
            return Reply(reply.status, f"{reply.text} {' '.join(texts)}", reply.date, reply.media_type)
        body["Msg"] = "Hello " + " | ".join(texts)
        return Reply(reply.status, json.dumps(body), reply.date, reply.media_type)


def recorded(
    plan: str, settings: dict[str, Any], spelling: str = ""
) -> tuple[dict[str, Any], set[str], Wanted, Probes]:
    """Run all probes, and return the recording, and what must not be in it."""
    wanted = Wanted(Situation(plan), write=True, paid=2)
    vendor = Echoing(wanted.situation, settings, spelling) if spelling else Simulated(wanted.situation, settings)
    probes = Probes(vendor, wanted)
    probes.run()
    key = vendor.core.keys[vendor.key]
    secrets = {KEY, PWD, *key.whitelist, *wanted.addresses, *(paid["ip"] for paid in key.holdings.paid)}
    secrets |= {paid["task_id"] for paid in key.holdings.paid}
    return record(wanted, settings, probes.caller.exchanges, (KEY, PWD)), secrets, wanted, probes


@pytest.mark.parametrize("spelling", ENCODERS)
def test_no_secret_in_any_spelling(spelling: str) -> None:
    recording, secrets, _wanted, _probes = recorded(DEDICATED, {}, spelling)
    text = json.dumps(recording, ensure_ascii=False)
    found = {secret for secret in secrets if secret.lower() in text.lower()}
    for seed in range(4):
        chance = random.Random(seed)
        found |= {secret for secret in (KEY, PWD, ENTRY) if ENCODERS[spelling](secret, chance) in text}
    assert found == set()
    # The rest of the message is still there, unless the message was masked as a whole.
    assert "Hello " in text or "********" in text


@pytest.mark.parametrize("notation", NOTATIONS)
def test_no_address_in_any_notation(notation: str) -> None:
    recording, secrets, _wanted, _probes = recorded(DEDICATED, {"options": {"whitelist_notation": notation}})
    text = json.dumps(recording, ensure_ascii=False)
    addresses = {secret for secret in secrets if canonical(secret)}
    assert {ip for ip in addresses if written(ip, notation).strip() in text} == set()


@pytest.mark.parametrize("plan", [DEDICATED, EXCLUSIVE, LONGTERM, OVERSEAS])
def test_a_recording_repeats_its_run(plan: str, tmp_path: Path) -> None:
    settings = {"options": {"list_lag": 6, "present_add": "full", "whitelist_notation": "padded"}}
    recording, _secrets, _wanted, probes = recorded(plan, settings)
    path = tmp_path / "live.json"
    write(path, recording)
    assert path.stat().st_mode & 0o777 == 0o600
    wanted, known, replay = read(path)
    found = Probes(replay, wanted).run()
    assert found.ended == ""
    assert {**found.answers, "notation": ""} == {**probes.found.answers, "notation": ""}
    rows, _settings = compare(wanted, found, known)
    assert [(row.question.name, row.simulated, row.seen) for row in rows if not row.same] == []
    # Without the settings, the simulator differs, and they are named.
    rows, found_settings = compare(wanted, found, {})
    assert {row.question.name for row in rows if not row.same} >= {"add_present", "notation", "whitelist_lag"}
    assert found_settings["options"] == {"list_lag": 6, "present_add": "full", "whitelist_notation": "padded"}


def test_a_recording_of_other_probes_is_refused(tmp_path: Path) -> None:
    recording, _secrets, _wanted, _probes = recorded(DEDICATED, {})
    recording["exchanges"][3]["path"] = "/elsewhere"
    write(tmp_path / "live.json", recording)
    wanted, _settings, replay = read(tmp_path / "live.json")
    assert "have changed since this recording" in Probes(replay, wanted).run().ended
    recording["format"] = 0
    write(tmp_path / "old.json", recording)
    with pytest.raises(ValueError, match="no recording of format"):
        read(tmp_path / "old.json")


def test_what_cannot_be_masked_is_not_written() -> None:
    # Such a key is a part of the mask itself.
    with pytest.raises(SecretError):
        record(Wanted(Situation(DEDICATED)), {"x": "LOG_PARAMETER"}, [], ["LOG_PARAMETER"])


@pytest.mark.parametrize("notation", [name for name in NOTATIONS if name != "port"])
def test_an_address_is_replaced_in_its_notation(notation: str) -> None:
    text = written("203.0.113.5", notation)
    assert canonical(text) == "203.0.113.5"
    assert replaced(text, lambda ip: "192.0.2.9" if ip == "203.0.113.5" else ip) == written("192.0.2.9", notation)


@pytest.mark.parametrize("text", ["2030-01-02 03:04:05", "1.2.3", "999.1.1.1", "00:11:22", "a::b::c", ""])
def test_what_is_not_an_address_stays(text: str) -> None:
    assert replaced(text, lambda ip: "192.0.2.9") == text


def test_hosts_and_names_of_the_customer_are_replaced() -> None:
    value = {"data": [{"server": "tunpool-a1.qg.net:19702", "task_id": "tk1", "x": "tk1 at tunpool-a1.qg.net"}]}
    text = json.dumps(Pseudonyms(value).apply(value))
    assert "tunpool" not in text
    assert "tk1" not in text
    assert text.count("host-1.example.com") == 2


def test_a_long_page_is_cut(tmp_path: Path) -> None:
    class Page(Simulated):
        def send(self, call: Call) -> Reply:
            # The cut is in the middle of the key.
            return Reply(200, f"{'x' * (MAX_TEXT - 5)}{KEY}{'x' * 10_000}", "", "text/html")

    wanted = Wanted(Situation(DEDICATED))
    probes = Probes(Page(wanted.situation, {}), wanted)
    probes.run()
    texts = [exchange["text"] for exchange in record(wanted, {}, probes.caller.exchanges, [KEY])["exchanges"]]
    assert {len(text) for text in texts} == {MAX_TEXT}
    assert [text for text in texts if KEY[:5] in text] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_the_simulator_answers_as_recorded(path: Path) -> None:
    """Put a recording into the folder to test it."""
    wanted, settings, replay = read(path)
    found = Probes(replay, wanted).run()
    assert found.ended == ""
    rows, _settings = compare(wanted, found, settings)
    assert rows
    assert [(row.question.text, row.simulated, row.seen, row.remedy) for row in rows if not row.same] == []
