# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One POSIX shell command with which a host fetches URLs.

This file is private to the collection. A host needs only a shell and one of curl, wget or Python. The caller provides a
shell function that calls ``ask_$tool URL`` and prints a record::

    (line feed) NONCE (blank) NUMBER (blank) TOOL (blank) TEXT (line feed) NONCE.

No response can forge a record: the nonce is new for each command, and only the host and this side know it. The host
itself can print any record, so the parser bounds their number.
"""

from __future__ import annotations

import math
import re
import secrets
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from .._api.parsing import integer
from .._api.transport import USER_AGENT

# Fetches one URL with the standard library only; http.client uses no proxy except the given one. The exit codes are
# those of curl if it has an equivalent. The last line of stderr contains the HTTP status (that of the proxy if it opens
# no tunnel; 0 for none) and the duration in seconds.
_PYTHON = """
import http.client, re, signal, socket, sys, time, urllib.parse
url, family, address, limit, proxy, agent = sys.argv[1:]
signal.setitimer(signal.ITIMER_REAL, float(limit))
kind = {"4": socket.AF_INET, "6": socket.AF_INET6}.get(family, 0)
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, port, f=0, *rest, **named: resolve(host, port, kind, *rest, **named)
target = urllib.parse.urlsplit(url)
first = urllib.parse.urlsplit(proxy) if proxy else target
tls = target.scheme == "https"
make = http.client.HTTPSConnection if tls else http.client.HTTPConnection
port = first.port or (80 if proxy else None)
status, body, code, began = 0, b"", 0, time.monotonic()
try:
    connection = make(first.hostname, port, source_address=(address, 0) if address else None)
    if proxy and tls:
        connection.set_tunnel(target.hostname, target.port or 443)
    path = (target.path or "/") + ("?" + target.query if target.query else "")
    connection.request("GET", url if proxy and not tls else path, headers={"Host": target.netloc, "User-Agent": agent})
    answer = connection.getresponse()
    body, status = answer.read(4096), answer.status
    code = 22 if status >= 400 else 0
except Exception as problem:
    name, text = type(problem).__name__, str(problem)
    tunnel = re.search("^Tunnel connection failed: ([0-9]{3})", text)
    if tunnel:
        status, code = int(tunnel.group(1)), 56
    elif "CERTIFICATE_VERIFY_FAILED" in text or name == "CertificateError":
        code = 60
    elif name.startswith("SSL"):
        code = 35
    elif isinstance(problem, socket.gaierror):
        code = 5 if proxy else 6
    elif isinstance(problem, (socket.timeout, TimeoutError)):
        code = 28
    elif isinstance(problem, http.client.RemoteDisconnected):
        code = 52
    elif isinstance(problem, (http.client.HTTPException, ConnectionResetError, BrokenPipeError)):
        code = 56
    else:
        code = 7
sys.stderr.write("%d %.6f" % (status, time.monotonic() - began))
if not code:
    sys.stdout.write(body.decode("latin-1"))
sys.exit(code)
"""

# Neither the environment nor the user's configuration files must change how a URL is fetched.
_ALONE = """
unset http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY
unset CURL_HOME WGETRC SYSTEM_WGETRC WGET2RC SYSTEM_WGET2RC WGET2_PLUGINS WGET2_PLUGIN_DIRS
unset XDG_CONFIG_HOME XDG_DATA_HOME
LC_ALL=C; export LC_ALL
"""

# One function for each tool, to be called in a subshell; $1 is the URL. With "report", wget prints its errors, and curl
# prints that text after the response. Then the selection of the tool.
_TOOLS = r"""
has() { command -v "$1" >/dev/null 2>&1; }
ask_none() { return 127; }
run_curl() {
  if [ "$proxy" ]; then set -- -x "$proxy" "$@"; else set -- --noproxy '*' "$@"; fi
  exec curl -q -g -f -s -m "$limit" --max-filesize 1048576 --proto '=http,https' \
    ${family:+-$family} ${address:+--interface "$address"} -A "$agent" "$@"
}
ask_curl() { run_curl ${report:+-w "$report"} -- "$1"; }
ask_wget() {
  url=$1 quiet=-q
  if [ "$proxy" ]; then
    set -- -e "http_proxy=$proxy" -e "https_proxy=$proxy"
    # A configuration file may say otherwise where it cannot be left out; wget2 knows neither.
    if [ ! "$no_config" ]; then set -- -e use_proxy=on -e no_proxy= "$@"; fi
    http_proxy=$proxy; export http_proxy
  else set -- --no-proxy
  fi
  if [ "$gnu" ]; then
    set -- -t 1 --max-redirect=0 ${family:+-$family} ${address:+--bind-address="$address"} "$@"
    if [ "$report" ]; then quiet=-nv; fi
  else set --
  fi
  # Without a home there is no configuration file of the user, and wget2 cannot make this one.
  HOME=/dev/null $total wget $no_config $quiet -O - -T "$limit" -U "$agent" "$@" "$url"
}
ask_python() { $total "$python3" -I -c "$python" "$1" "$family" "$address" "$limit" "$proxy" "$agent"; }
tool=none gnu= no_config= total= python3=
if has curl; then tool=curl
else
  if has timeout; then total="timeout $limit"; fi
  if has wget; then
    # GNU wget knows --no-config since 1.16. What wget2 shows of an HTTPS URL behind a proxy may be the proxy's own.
    if version=$(wget --no-config --version 2>/dev/null); then
      case $proxy$report:$secure:$version in
        ?*:yes:*Wget2*) ;;
        *) gnu=yes tool=wget no_config=--no-config ;;
      esac
    elif wget --version >/dev/null 2>&1; then gnu=yes tool=wget
    elif [ "$plain" ]; then tool=wget
    fi
  fi
  for candidate in python3 /usr/libexec/platform-python; do
    if [ "$tool" = none ] && has "$candidate"; then tool=python python3=$candidate; fi
  done
fi
"""

#: The tools that a record can name.
_TOOL_NAMES = frozenset({"curl", "wget", "python", "none"})
#: The maximum length of a record; the script prints none that is longer.
MAX_RECORD = 8192
#: The escapes of "printf %b" for bytes that some shells change between single quotes. The backslash comes first, since
#: all other escapes contain it.
_ENCODED = {
    "\\": "\\0134",
    **{chr(octet): f"\\0{octet:03o}" for octet in range(256) if not 32 <= octet < 127 or chr(octet) in "!'"},
    "\n": "\\n",
}
_EXIT_CODE = re.compile("[0-9]{1,3}")

#: The error of a host without any tool.
NO_TOOL = "the host has neither curl, nor GNU wget, nor python3"


@dataclass(frozen=True)
class FetchOptions:
    """How URLs are fetched. ``family`` is "4", "6" or "" for any; ``plain`` says that busybox's wget is sufficient.

    ``secure`` says that at least one URL uses HTTPS.
    """

    timeout: float
    family: str = ""
    address: str = ""
    proxy: str = ""
    plain: bool = False
    secure: bool = True


@dataclass(frozen=True)
class Record:
    """One record that the command printed; it is incomplete if the command was interrupted."""

    number: int
    tool: str
    text: str
    complete: bool


def new_nonce() -> str:
    """Return a word that cannot be guessed."""
    return f"qg{secrets.token_hex(12)}"


def build_script(
    nonce: str, options: FetchOptions, functions: str, jobs: Iterable[str], *, unless: str = "false", **variables: str
) -> str:
    """Return the command: settings, tools, the caller's functions, and its jobs, which may run in the background.

    The jobs are skipped if ``unless``, which prints records as well, succeeds.
    """
    settings = {
        "nonce": nonce,
        # Whole seconds: some versions of wget and timeout accept no fraction.
        "limit": str(math.ceil(options.timeout)),
        "family": options.family,
        "address": options.address,
        "proxy": options.proxy,
        "plain": "yes" if options.plain else "",
        "secure": "yes" if options.secure else "",
        "agent": USER_AGENT,
        "python": _PYTHON.strip(),
        "report": "",
        **variables,
    }
    return "\n".join(
        [
            _ALONE.strip(),
            *(f"{name}={shlex.quote(value)}" for name, value in settings.items()),
            _TOOLS.strip(),
            functions.strip(),
            f"{unless} || {{",
            # Collected, since on a terminal some shells print a record in parts, which could be mixed with others.
            "records=$(",
            *jobs,
            "wait",
            ")",
            r"""printf '%s\n' "$records" """.strip(),
            "}",
        ]
    )


def single_line(command: str) -> str:
    """Return a POSIX shell command on one line, for ``/bin/sh -c`` in any login shell.

    In single quotes, csh and tcsh accept no line feed and expand text after an exclamation mark, and fish removes
    backslashes. The printf of the POSIX shell therefore decodes the command.
    """
    encoded = command.encode(errors="surrogateescape").decode("latin-1")
    used = set(encoded)
    for sign, escape in _ENCODED.items():
        if sign in used:
            encoded = encoded.replace(sign, escape)
    return f"""eval "$(printf %b '{encoded}')" """.strip()


def parse_records(output: str, nonce: str, count: int) -> list[Record]:
    """Return the records in the output of the command, for fetches 0 to ``count`` - 1.

    The line ends of a terminal, a login banner and records without a fetch are ignored.
    """
    found = []
    for part in f"\n{output}".replace("\r", "").split(f"\n{nonce} ")[1:]:
        text, end, _rest = part.partition(f"\n{nonce}.")
        number, tool, content = [*text.split(" ", 2), "", ""][:3]
        index = integer(number)
        if tool in _TOOL_NAMES and index is not None and 0 <= index < count:
            found.append(Record(index, tool, content[:MAX_RECORD], bool(end) and len(content) <= MAX_RECORD))
    return found


def parse_exit_code(text: str) -> int | None:
    """Return the exit code that a host printed; None for any other text."""
    return int(text) if _EXIT_CODE.fullmatch(text) else None


def explain_exit_code(tool: str, code: int, whose: str = "its") -> str:
    """Say why a tool that ended with this code has no response."""
    if tool == "none":
        return NO_TOOL
    untrusted, late = f"{whose} certificate is not trusted", "no response in time"
    curl = {
        5: "the proxy's name is unknown",
        6: f"{whose} name is unknown",
        7: "no connection, refused or unreachable",
        22: "an HTTP error",
        28: late,
        35: "no TLS",
        51: untrusted,
        52: "an empty response",
        56: "the connection broke",
        60: untrusted,
        63: "the response is too long",
    }
    wget = {
        4: "no connection",
        5: untrusted,
        6: "a user name and a password are required",
        8: "an HTTP error or a redirect",
    }
    # The program timeout, and SIGALRM.
    stopped = {124: late, 142: late}
    words = {**(wget if tool == "wget" else curl), **stopped}.get(code, "no response")
    return f"{words} ({tool} ended with {code})"
