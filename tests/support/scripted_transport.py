# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A transport without a network: it plays back responses that a test wrote down, and records the requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport

Parameters = Mapping[str, str]
#: A response, an exception that is raised instead, or a function that makes the response from the parameters.
Step = HttpResponse | Exception | Callable[[Parameters], HttpResponse]


@dataclass(frozen=True)
class Request:
    """A request that a client sent."""

    method: str
    url: str
    parameters: Parameters
    endpoint: str


class ScriptedTransport(Transport):
    """Plays back a script, its last step for ever."""

    def __init__(self, *script: Step) -> None:
        super().__init__(timeout=10)
        self.script = list(script)
        self.requests: list[Request] = []

    def send(self, method: str, url: str, parameters: Parameters, endpoint: str) -> HttpResponse:
        """Record the request, and play back the next step."""
        self.requests.append(Request(method, url, dict(parameters), endpoint))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, HttpResponse) else step(parameters)

    def sent(self, parameter: str) -> list[str]:
        """Return the value of a parameter in each request."""
        return [request.parameters[parameter] for request in self.requests]


def json_response(body: Any, status: int = 200, **headers: str) -> HttpResponse:
    """Return a response with this JSON."""
    return HttpResponse(status, json.dumps(body), headers)
