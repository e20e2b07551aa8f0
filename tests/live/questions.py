# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that the vendor's documents leave open, and the settings of the simulator that decide them there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from simulator.account.options import CHOICES as ACCOUNT_CHOICES
from simulator.keys.options import CHOICES

Settings = dict[str, Any]
"""Fields of a key of the simulator, as ``PUT /_sim/keys/KEY`` takes them."""
Candidates = Callable[[str], Iterable[Settings]]


def choices(name: str) -> Candidates:
    return lambda _seen: [{"options": {name: value}} for value in CHOICES[name]]


def booleans(name: str) -> Candidates:
    return lambda _seen: [{"options": {name: value}} for value in (False, True)]


def statuses(name: str) -> Candidates:
    return lambda seen: [{"options": {name: int(status)}} for status in re.findall(r"HTTP (\d{3})\b", seen)]


def seconds(section: str, name: str) -> Candidates:
    """Yield the middle of the time in an answer such as "after 4 to 8 seconds"."""

    def candidates(seen: str) -> Iterable[Settings]:
        numbers = [int(number) for number in re.findall(r"\d+", seen)]
        return [{section: {name: sum(numbers) / len(numbers) if numbers else 0}}]

    return candidates


def account_refusal(kind: str) -> Candidates:
    """Yield the status and the code in an answer such as "HTTP 403, Code 12"."""

    def candidates(seen: str) -> Iterable[Settings]:
        for status, number, text in re.findall(r"^HTTP (\d{3}), (?:Code (-?\d+)|(\w+))$", seen):
            code = int(number) if number else text
            yield {"agent": {"options": {"statuses": {kind: int(status)}, "codes": {kind: code}}}}

    return candidates


def hours(name: str) -> Candidates:
    return lambda seen: [{"options": {name: int(number)}} for number in re.findall(r"UTC([+-]\d+)", seen)]


@dataclass(frozen=True)
class Question:
    number: int
    """Several probes may answer parts of one question."""
    name: str
    text: str
    candidates: tuple[Candidates, ...] = ()
    elsewhere: str = ""
    """What decides it in the simulator, if no setting does."""


QUESTIONS: tuple[Question, ...] = (
    # What other answers depend on comes first.
    Question(
        8,
        "refusal",
        "Which HTTP status and code has a refusal?",
        (statuses("error_status"), statuses("refusal_status")),
        "classic/codes.py, product/codes.py",
    ),
    Question(
        8,
        "unknown_key",
        "What is the answer to a key that does not exist?",
        (),
        "classic/handler.py, product/handler.py",
    ),
    Question(8, "message", "Does a refusal have a text?", (booleans("msg"),)),
    Question(9, "format", "What is the format of an answer, unless the call names one?", (), "server/api_routes.py"),
    Question(9, "numbers", "Are numbers in answers written as numbers?", (choices("numbers"),)),
    Question(9, "post", "Are the parameters of a POST read from its body?", (choices("post"),)),
    Question(
        9, "line_breaks", "May the separator of a text answer consist of line breaks?", (choices("seq_line_breaks"),)
    ),
    Question(23, "redirects", "Does the vendor redirect calls?", (), "server/api_routes.py"),
    Question(22, "list", "Does the key have the list of leases?", (), "the kind of plan"),
    Question(22, "whitelist", "Does the key have the whitelist?", (), "classic/endpoints.py"),
    Question(21, "quota", "Does the key have the classic quota?", (choices("volume_quota"),), "classic/endpoints.py"),
    Question(
        21, "channels", "Does the key have the channels or the balance of its product?", (), "product/endpoints.py"
    ),
    Question(13, "areas", "Which fields has the list of areas?", (choices("area_fields"),), "product/queries.py"),
    Question(
        7,
        "empty_leases",
        "How does an answer show that there are no leases?",
        (choices("empty_tasks"), choices("empty_data")),
    ),
    Question(7, "empty_whitelist", "How does an answer show an empty whitelist?", (choices("empty_data"),)),
    Question(
        4,
        "add",
        "What is the answer to an add of two addresses?",
        (choices("whitelist_answer"),),
        "classic/whitelist.py",
    ),
    Question(7, "notation", "How does the whitelist show an address?", (choices("whitelist_notation"),)),
    Question(7, "order", "Where does the whitelist show new entries?", (), "classic/whitelist.py"),
    Question(19, "whitelist_lag", "When does the whitelist show an add?", (seconds("options", "list_lag"),)),
    Question(1, "add_present", "Does the add of a present address fail?", (choices("present_add"),)),
    Question(6, "add_network", "Does the whitelist take a network?", (choices("whitelist_takes"),)),
    Question(6, "add_ipv6", "Does the whitelist take an IPv6 address?", (choices("whitelist_takes"),)),
    Question(2, "remove", "Does a del take the address, or the entry as it is listed?", (choices("del_takes"),)),
    Question(2, "remove_absent", "Does the del of an absent address fail?", (choices("absent_del"),)),
    Question(
        10,
        "release_absent",
        "Does the release of an address that the key does not hold fail?",
        (choices("absent_release"),),
    ),
    Question(14, "deadline", "In which time zone is a deadline?", (hours("deadline_zone"),)),
    Question(
        12,
        "quota_lag",
        "When does the quota count an allocation, also one whose reply is lost?",
        (seconds("options", "quota_lag"),),
    ),
    Question(11, "list_lag", "When does the list show an allocation?", (seconds("options", "list_lag"),)),
    Question(
        10,
        "allocated",
        "Which fields has the answer to an allocation?",
        (choices("get_shape"),),
        "classic/responses.py, product/responses.py",
    ),
    Question(
        10,
        "listed",
        "Which fields has the list of leases?",
        (choices("query_shape"),),
        "classic/queries.py, product/responses.py",
    ),
    Question(
        10,
        "release",
        "Which fields has the answer to a release?",
        (choices("release_answer"),),
        "classic/release.py, product/release.py",
    ),
    Question(10, "free_delay", "When is the channel of a released lease free?", (seconds("plan", "free_delay"),)),
    Question(
        16,
        "account",
        "Do the known common parameters suffice for an account call?",
        (account_refusal("missing_parameter"),),
        "account/signature.py",
    ),
    Question(16, "account_sign", "How is a wrong signature refused?", (account_refusal("wrong_sign"),)),
    Question(16, "account_missing", "How is a missing signature refused?", (account_refusal("missing_parameter"),)),
    Question(16, "account_appid", "How is an unknown appid refused?", (account_refusal("unknown_appid"),)),
    Question(16, "account_domain", "How is another domain refused?", (account_refusal("wrong_domain"),)),
    Question(
        16,
        "account_balance",
        "Which fields has a refusal of the balance?",
        (
            lambda _seen: [
                {"agent": {"options": {"balance_envelope": value}}} for value in ACCOUNT_CHOICES["balance_envelope"]
            ],
        ),
        "account/envelope.py",
    ),
    Question(17, "account_past", "How old may the time of an account call be?", (seconds("agent", "tolerance"),)),
    Question(17, "account_future", "How far may it be in the future?", (seconds("agent", "tolerance"),)),
    Question(11, "reuse", "Does the next allocation return the released address?", (choices("address_reuse"),)),
)

#: Questions that no probe asks, and the reason.
NOT_ASKED: dict[int, tuple[str, str]] = {
    3: (
        "How many entries does a whitelist take?",
        "A probe would fill the whitelist and lock out hosts of the customer.",
    ),
    5: ("What does an add or a del without IP do?", "It might apply to all entries. The collection always sends IP."),
    15: ("May the classic /release end a long-term lease?", "Long-term leases cannot be paid back if it does not."),
    18: ("Which power actions exist besides restart?", "A probe would stop a server."),
    20: ("Does -206 count the keys of the account, or those of the product?", "It takes a second key."),
    24: ("Are limits counted for each key or for each address?", "A probe would exceed a limit."),
}
