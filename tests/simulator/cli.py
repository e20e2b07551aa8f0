# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import argparse
import ipaddress
import os
import shlex
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .account.agents import DEFAULT_CREDENTIALS
from .account.endpoints import PREFIX
from .core import Core
from .proxies.forwarding import ForwardProxies, url
from .proxies.listeners import Address
from .proxies.targets import ECHO_NAME
from .server.app import Server, build_app, listen, server_config
from .server.certificate import OwnCertificate

LOOPBACK = "127.0.0.1"
OWN_NAMES = ("localhost", LOOPBACK)


def _address_pair(text: str) -> tuple[str, str]:
    source, equals, public = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not SOURCE=PUBLIC")
    try:
        ipaddress.ip_address(source)
        ipaddress.ip_address(public)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return source, public


def is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _site(text: str) -> tuple[str, Address]:
    name, equals, server = text.partition("=")
    host, _colon, port = server.rpartition(":")
    if not (name and equals and is_loopback(host) and port.isdigit() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=127.0.0.1:PORT or NAME:PORT=127.0.0.1:PORT")
    return name.lower(), (host, int(port))


def _tunnel_port(text: str) -> tuple[str | None, int]:
    key, equals, port = text.rpartition("=")
    return key if equals else None, _port(port)


def _credentials(text: str) -> tuple[str, str]:
    appid, _colon, appkey = text.partition(":")
    if not (appid and appkey):
        raise argparse.ArgumentTypeError(f"{text!r} is not APPID:APPKEY")
    return appid, appkey


def _minute(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86400:
        raise argparse.ArgumentTypeError("more than 0 and less than 86400 seconds expected")
    return seconds


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port from 0 to 65535 expected")
    return port


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="simulator", description="QG.net simulator, for tests.")
    add = result.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add("--port", type=_port, default=8080, help="port, 0 picks a free one (default %(default)s)")
    add("--minute", type=_minute, default=60.0, help="seconds that a minute of the vendor lasts (default 60)")
    add("--key", action="append", help="a key that exists, may be repeated (default QGDEMO01)")
    add(
        "--agent",
        action="append",
        type=_credentials,
        metavar="APPID:APPKEY",
        help="may be repeated (default qgdemo01's)",
    )
    add("--proxy-port", type=_port, help="port of a forward proxy for the first key, 0 picks a free one")
    add(
        "--tunnel-port",
        action="append",
        type=_tunnel_port,
        default=[],
        metavar="[KEY=]PORT",
        help="port of a tunnel for a key, by default the first one; 0 picks a free one; may be repeated",
    )
    add("--tunnel-control-port", type=_port, help="another port for PUT /proxyip, 0 picks a free one")
    add("--map", action="append", type=_address_pair, default=[], metavar="SOURCE=PUBLIC", help="may be repeated")
    add(
        "--site",
        action="append",
        type=_site,
        default=[],
        metavar="NAME[:PORT]=127.0.0.1:PORT",
        help="local server that stands for a name behind the proxies; may be repeated",
    )
    add("--tls-port", type=_port, help="port that serves the same by HTTPS, 0 picks a free one")
    add("--tls-cert", type=Path, help="certificate file, for HTTPS")
    add("--tls-key", type=Path, help="key file, for HTTPS")
    add("--ready-file", type=Path, help="JSON file written once the simulator listens")
    return result


def _exposure_warning(address: str, port: int) -> str:
    return (
        f"Warning: the simulator listens on {address} and has no login: anyone who can reach its port {port} can "
        "control it and, through its proxies, reach what listens on loopback here."
    )


def _environment(api_url: str, key: str, agent: tuple[str, str], minute: float) -> dict[str, str]:
    """Return the environment variables with which the collection uses the simulator and nothing else."""
    return {
        "QG_KEY": key,
        "QG_API_URL": api_url,
        "QG_SOURCES": f"{api_url}/ip,{api_url}/json,{api_url}/origin",
        "QG_ACCOUNT_URL": f"{api_url}{PREFIX}",
        "QG_APP_ID": agent[0],
        "QG_APP_KEY": agent[1],
        **({"QG_MINUTE_SECONDS": f"{minute:g}"} if minute != 60 else {}),
    }


def _instructions(
    api_url: str, key: str, environment: Mapping[str, str], proxy_url: str | None, tunnel_url: str | None = None
) -> list[str]:
    lines = [
        f"The simulator listens on {api_url}; Ctrl-C stops it. Paste this into another terminal:",
        "",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        "",
        f"Page:  {api_url}/_sim/",
        f"Control:  curl {api_url}/_sim/state",
        f"Authority of https://{ECHO_NAME} through a proxy:  curl {api_url}/_sim/ca.pem",
    ]
    if proxy_url is not None:
        lines.append(f"Forward proxy of {key}:  {proxy_url}")
    if tunnel_url is not None:
        lines.append(f"Tunnel of {key}:  {tunnel_url}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if (options.tls_cert is None) != (options.tls_key is None):
        parser().error("--tls-cert and --tls-key belong together")
    key_names: list[str] = list(dict.fromkeys(options.key or ["QGDEMO01"]))
    agents: list[tuple[str, str]] = list(dict(options.agent or DEFAULT_CREDENTIALS).items())
    if unknown := {name for name, _port in options.tunnel_port} - {None, *key_names}:
        parser().error(f"--tunnel-port: no --key {', '.join(sorted(map(str, unknown)))}")
    core = Core(key_names, dict(options.map), options.minute, agents=agents)
    keys = core.keys
    forward_proxies = ForwardProxies(core.network, core.clock, keys.get, keys.get_tunnel, options.host)
    keys.lease_service.ports = forward_proxies
    requested_port = options.port
    try:
        listeners = [listen(options.host, requested_port)]
        if options.tunnel_control_port is not None:
            requested_port = options.tunnel_control_port
            listeners.append(listen(options.host, requested_port))
        proxy_url: str | None = None
        if options.proxy_port is not None:
            requested_port = options.proxy_port
            proxy_url = forward_proxies.open_for_key(key_names[0], requested_port)
            keys.initial_proxy_urls[key_names[0]] = proxy_url
        for name, requested_port in options.tunnel_port:
            name = name or key_names[0]
            keys.initial_tunnel_urls[name] = forward_proxies.open_tunnel(name, requested_port)
        tunnel_url = keys.initial_tunnel_urls.get(key_names[0])
        secure_api: socket.socket | None = None
        if options.tls_port is not None:
            requested_port = options.tls_port
            secure_api = listen(options.host, requested_port)
        keys.reset()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        print(f"Cannot listen on {options.host} port {requested_port}: {reason}.", file=sys.stderr)
        return 1
    certificate = OwnCertificate(ECHO_NAME, *OWN_NAMES, options.host, forward_proxies.host.strip("[]"))
    forward_proxies.tls, forward_proxies.targets.sites = certificate.context, dict(options.site)
    # Only the proxies connect to these.
    echo, secure_echo = listen(LOOPBACK, 0), listen(LOOPBACK, 0)
    forward_proxies.targets.echo = echo.getsockname()
    forward_proxies.targets.secure_echo = secure_echo.getsockname()
    app = build_app(core, forward_proxies, certificate.authority)
    address, port = listeners[0].getsockname()[:2]
    scheme = "https" if options.tls_cert else "http"
    api_url = url(scheme, options.host, port)
    environment = _environment(api_url, key_names[0], agents[0], options.minute)
    ready = {
        "environment": environment,
        "api_url": api_url,
        "account_url": f"{api_url}{PREFIX}",
        "control_url": f"{api_url}/_sim",
        "proxy_url": proxy_url,
        "tunnel_url": tunnel_url,
        "tls_url": None if secure_api is None else url("https", options.host, secure_api.getsockname()[1]),
        "tunnel_control_url": url(scheme, options.host, listeners[-1].getsockname()[1]),
        "pid": os.getpid(),
    }
    config = server_config(app, options.tls_cert, options.tls_key)
    echo_listeners = [(echo, None), (secure_echo, certificate.context)]
    if secure_api is not None:
        echo_listeners.append((secure_api, certificate.context))
    server = Server(config, keys.process_due_events, ready, options.ready_file, echo_listeners)

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn installs its own handlers only once it serves, and passes a signal on after its shutdown. With these
    # handlers, the process then ends normally instead of by the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if not is_loopback(address):
        print(_exposure_warning(address, port), file=sys.stderr, flush=True)
    print("\n".join(_instructions(api_url, key_names[0], environment, proxy_url, tunnel_url)), flush=True)
    server.run(sockets=listeners)
    forward_proxies.close_all_except(())
    return 0
