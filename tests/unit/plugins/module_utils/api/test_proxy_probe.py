# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What requests through proxies show: which work, and whether that says anything about them."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api import proxy_probe
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.proxy_probe import ProxyProbe
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, QgError, TransportError

#: A status, or one with which the proxy refuses, or the last words of an error; the second answer is the repetition.
Answers: TypeAlias = "dict[str, list[int | str | tuple[int]]]"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    found: Answers = {}

    class Scripted:
        def __init__(self, *, proxy: str, **_more: object) -> None:
            self.proxy = proxy

        def send(self, _method: str, _url: str, _parameters: object, endpoint: str) -> HttpResponse:
            answer = found[self.proxy].pop(0)
            if isinstance(answer, int):
                return HttpResponse(answer, "", {})
            status = None if isinstance(answer, str) else answer[0]
            text = f"{endpoint}: no usable response from {self.proxy}: {answer}."
            raise TransportError(text, endpoint=endpoint, effect=Effect.NOT_SENT, http_status=status)

    monkeypatch.setattr(proxy_probe, "Transport", Scripted)
    return found


def probe(answers: Answers) -> tuple[dict[str, str], int]:
    """The failures by the last letter of the proxies, and the number of pauses."""
    pauses: list[None] = []
    found = ProxyProbe("http://site.example/", 5.0).failures(
        {one[-1]: one for one in answers}, lambda: pauses.append(None)
    )
    assert not any(answers.values())
    return found, len(pauses)


def test_only_a_request_without_a_response_is_repeated(answers: Answers) -> None:
    answers |= {"http://a": [200], "http://b": [302], "http://c": [403], "http://d": [(502,)]}
    assert probe(answers) == ({"c": "HTTP status 403", "d": "HTTP status 502"}, 0)
    answers |= {
        "http://a": ["it is slow", 204],
        "http://b": ["it is slow", "it is down"],
        "http://c": [500],
        "http://d": [(407,)],
    }
    assert probe(answers) == ({"b": "it is down", "c": "HTTP status 500", "d": "HTTP status 407"}, 1)


@pytest.mark.parametrize("number", [1, 2])
def test_if_all_refuse_this_machine_that_says_nothing_about_them(answers: Answers, number: int) -> None:
    answers |= {f"http://{place}": [(407,)] for place in range(number)}
    with pytest.raises(QgError, match=r"refuses? this control node \(HTTP status 407\), so verify_url shows nothing"):
        probe(answers)
