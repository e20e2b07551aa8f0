# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import argparse
import ipaddress
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .account.agents import DEFAULT_CREDENTIALS
from .account.calls import PREFIX
from .core import Core
from .proxies.forwarding import ForwardProxies
from .proxies.targets import ECHO_NAME
from .server.app import Server, build_app, listen, server_config
from .server.certificate import contexts_for, open_authority

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _required(value: Any, condition: object) -> Any:
    if not condition:
        raise ValueError
    return value


# argparse names these in its errors.
def port(text: str) -> int:
    return int(_required(int(text), 0 <= int(text) <= 65535))


def seconds(text: str) -> float:
    return float(_required(float(text), 0 < float(text) < 86400))


def pair(text: str) -> tuple[str, ...]:
    source, public = map(ipaddress.ip_address, text.split("="))
    return str(source), str(public)


def account(text: str) -> tuple[str, str]:
    appid, _colon, appkey = text.partition(":")
    return appid, str(_required(appkey, appid and appkey))


def tunnel(text: str) -> tuple[str, int]:
    key, _equals, number = text.rpartition("=")
    return key, port(number)


def site(text: str) -> tuple[str, tuple[str, int]]:
    name, _equals, server = text.partition("=")
    host, _colon, number = server.rpartition(":")
    return name.lower(), (str(_required(host, name and is_loopback(host))), port(number))


def ports(text: str) -> range:
    first, _hyphen, last = text.partition("-")
    return range(int(_required(port(first), 0 < port(first) <= port(last))), port(last) + 1)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="qgnet-simulator",
        description=(
            "QG.net simulator, for tests. A port of 0 is a free one; options with several "
            "values are repeated."
        ),
    )
    add = result.add_argument
    many: Any = {"action": "append", "default": []}
    add("--host", help="address to listen on (default %(default)s)", default=LOOPBACK)
    add("--port", help="port of the API (default %(default)s)", type=port, default=8080)
    add("--tls-port", help="port that serves the same by HTTPS", type=port)
    add(
        "--minute",
        help="seconds that a minute of QG.net lasts (default 60)",
        type=seconds,
        default=60.0,
    )
    add("--key", help="a key that exists (default QGDEMO01)", metavar="NAME", **many)
    add("--agent", help="an account that exists", metavar="APPID:APPKEY", type=account, **many)
    add("--proxy-port", help="port of a proxy for the first key", type=port)
    add(
        "--tunnel-port",
        help="port of a tunnel for a key (the first one)",
        metavar="[KEY=]PORT",
        type=tunnel,
        **many,
    )
    add("--tunnel-control-port", help="another port for PUT /proxyip", type=port)
    add(
        "--map",
        help="public address of a source address",
        metavar="SOURCE=PUBLIC",
        type=pair,
        **many,
    )
    add(
        "--site",
        help="local server behind the proxies",
        metavar="NAME[:PORT]=127.0.0.1:PORT",
        type=site,
        **many,
    )
    add(
        "--upstream",
        help="let proxies connect to whatever this machine resolves and reaches",
        action="store_true",
    )
    add(
        "--advertise",
        help="host by which clients reach it, if not by that of --host",
        metavar="HOST",
    )
    add(
        "--lease-ports",
        help="ports of leases (default: free ones)",
        metavar="FIRST-LAST",
        type=ports,
        default=(),
    )
    add("--ca-dir", help="directory that keeps the authority of all certificates", type=Path)
    add("--ready-file", help="JSON file written once the simulator listens", type=Path)
    return result


def _environment(api_url: str, key: str, agent: tuple[str, str], minute: float) -> dict[str, str]:
    """Return the environment variables with which the collection uses the simulator and nothing
    else.
    """
    environment = {
        "QG_KEY": key,
        "QG_API_URL": api_url,
        "QG_SOURCES": f"{api_url}/ip,{api_url}/json,{api_url}/origin",
        "QG_ACCOUNT_URL": f"{api_url}{PREFIX}",
        "QG_APP_ID": agent[0],
        "QG_APP_KEY": agent[1],
    }
    if minute != 60:
        environment["QG_MINUTE_SECONDS"] = f"{minute:g}"
    return environment


def _instructions(ready: Mapping[str, Any], key: str) -> str:
    api_url = ready["api_url"]
    lines = [
        f"The simulator listens on {api_url}; Ctrl-C stops it. Paste this into another terminal:",
        "",
    ]
    for name, value in ready["environment"].items():
        lines.append(f"export {name}={shlex.quote(value)}")
    lines += [
        "",
        f"Page:  {api_url}/_sim/",
        f"Control:  curl {api_url}/_sim/state",
        f"Authority of https://{ECHO_NAME} through a proxy:  curl {api_url}/_sim/ca.pem",
    ]
    urls = {
        f"Forward proxy of {key}": "proxy_url",
        f"Tunnel of {key}": "tunnel_url",
        "HTTPS": "tls_url",
    }
    for title, name in urls.items():
        if ready[name]:
            lines.append(f"{title}:  {ready[name]}")
    return "\n".join(lines)


def _warning(address: str, number: int, is_open: bool) -> str:
    targets = "what listens on loopback here"
    if is_open:
        targets = (
            "whatever this machine reaches: with --upstream, it is an open proxy unless it "
            "listens on loopback"
        )
    return (
        f"Warning: the simulator listens on {address} and has no login: anyone who can reach its "
        f"port {number} can control it and, through its proxies, reach {targets}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    key_names: list[str] = list(dict.fromkeys(options.key or ["QGDEMO01"]))
    agents: list[tuple[str, str]] = list(dict(options.agent or DEFAULT_CREDENTIALS).items())
    tunnels = {name or key_names[0]: number for name, number in options.tunnel_port}
    if unknown := tunnels.keys() - set(key_names):
        parser().error(f"--tunnel-port: no --key {', '.join(sorted(unknown))}")
    core = Core(key_names, dict(options.map), options.minute, agents=agents)
    keys = core.keys
    host = options.host
    proxies = ForwardProxies(
        core.network, core.clock, keys.get, host, options.advertise, options.lease_ports
    )
    keys.lease_service.ports = proxies
    proxies.targets.sites = dict(options.site)
    proxies.targets.is_open = options.upstream
    try:
        authority = open_authority(options.ca_dir)
    except (OSError, ValueError) as error:
        print(f"--ca-dir {options.ca_dir}: it cannot keep an authority: {error}.", file=sys.stderr)
        return 1
    proxies.tls = contexts_for(authority, "localhost", LOOPBACK, host, proxies.host.strip("[]"))
    option = "--port"
    number = options.port
    try:
        listeners = [listen(host, number)]
        if options.tunnel_control_port is not None:
            option = "--tunnel-control-port"
            number = options.tunnel_control_port
            listeners.append(listen(host, number))
        if options.tls_port is not None:
            option = "--tls-port"
            number = options.tls_port
            secure = listen(host, number)
        else:
            # Only the proxies connect to it.
            secure = listen(LOOPBACK, 0)
        if options.proxy_port is not None:
            option = "--proxy-port"
            number = options.proxy_port
            keys.initial_proxy_urls[key_names[0]] = proxies.open_for_key(key_names[0], number)
        option = "--tunnel-port"
        for name, number in tunnels.items():
            keys.initial_tunnel_urls[name] = proxies.open_tunnel(name, number)
    except OSError as error:
        reason = str(error)
        if error.errno:
            reason = os.strerror(error.errno)
        advice = f"Give another port with {option}; 0 is a free one."
        print(f"Cannot listen on {host} port {number}: {reason}. {advice}", file=sys.stderr)
        return 1
    keys.reset()
    address, number = listeners[0].getsockname()[:2]
    proxies.targets.echo = address, number
    proxies.targets.secure_echo = secure.getsockname()[:2]
    api_url = proxies.url("http", number)
    ready = {
        "environment": _environment(api_url, key_names[0], agents[0], options.minute),
        "api_url": api_url,
        "account_url": f"{api_url}{PREFIX}",
        "control_url": f"{api_url}/_sim",
        "proxy_url": keys.initial_proxy_urls.get(key_names[0]),
        "tunnel_url": keys.initial_tunnel_urls.get(key_names[0]),
        "tls_url": None,
        "tunnel_control_url": proxies.url("http", listeners[-1].getsockname()[1]),
        "pid": os.getpid(),
    }
    config = server_config(build_app(core, proxies, authority.cert_pem.bytes()))
    if options.tls_port is not None:
        ready["tls_url"] = proxies.url("https", secure.getsockname()[1])
    server = Server(
        config, keys.process_due_events, ready, options.ready_file, secure, proxies.tls["fits"]
    )

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn installs its own handlers only once it serves, and passes a signal on after its
    # shutdown. With these handlers, the process then ends normally instead of by the signal.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    if not is_loopback(address):
        print(_warning(address, number, options.upstream), file=sys.stderr, flush=True)
    print(_instructions(ready, key_names[0]), flush=True)
    server.run(sockets=listeners)
    proxies.close_all_except(())
    return 0
