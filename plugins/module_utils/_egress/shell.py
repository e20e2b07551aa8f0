# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A POSIX shell command that fetches URLs on a host.

A host needs only a shell and one of curl, wget or Python. The caller provides a shell function that calls
``fetch_$tool URL`` and prints a record::

    (line feed) NONCE (blank) NUMBER (blank) TOOL (blank) TEXT (line feed) NONCE.

No response can forge a record: the nonce is new for each command, and only the host and the control node have it. The
host itself can print any record, so the parser limits their number.
"""

from __future__ import annotations

import math
import secrets
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from .._api.parsing import integer
from .._api.transport import USER_AGENT

# Fetches one URL with the standard library only. Unlike urllib, http.client uses only the given proxy. The exit codes
# are those of curl if it has an equivalent. The last line of stderr contains the HTTP status (that of the proxy if it
# opens no tunnel; 0 for none) and the duration in seconds.
_PYTHON = """
import http.client, re, signal, socket, sys, time, urllib.parse
url, family, address, limit, proxy, agent, *labels = sys.argv[1:]
signal.setitimer(signal.ITIMER_REAL, float(limit))
wanted = {"4": socket.AF_INET, "6": socket.AF_INET6}.get(family, 0)
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, port, f=0, *rest, **named: resolve(host, port, wanted, *rest, **named)
target = urllib.parse.urlsplit(url)
server = urllib.parse.urlsplit(proxy) if proxy else target
tls = target.scheme == "https"
connection_type = http.client.HTTPSConnection if tls else http.client.HTTPConnection
port = server.port or (80 if proxy else None)
status, body, code, started = 0, b"", 0, time.monotonic()
try:
    connection = connection_type(server.hostname, port, source_address=(address, 0) if address else None)
    choice = {name: text for name, text in zip(("Proxy-TunnelID", "Proxy-TTL"), labels) if text}
    headers = {"Host": target.netloc, "User-Agent": agent}
    if proxy and tls:
        connection.set_tunnel(target.hostname, target.port or 443, headers=choice)
    else:
        headers.update(choice)
    path = (target.path or "/") + ("?" + target.query if target.query else "")
    connection.request("GET", url if proxy and not tls else path, headers=headers)
    response = connection.getresponse()
    body, status = response.read(4096), response.status
    code = 22 if status >= 400 else 0
except Exception as error:
    name, text = type(error).__name__, str(error)
    tunnel = re.search("^Tunnel connection failed: ([0-9]{3})", text)
    if tunnel:
        status, code = int(tunnel.group(1)), 56
    elif "CERTIFICATE_VERIFY_FAILED" in text or name == "CertificateError":
        code = 60
    elif name.startswith("SSL"):
        code = 35
    elif isinstance(error, socket.gaierror):
        code = 5 if proxy else 6
    elif isinstance(error, (socket.timeout, TimeoutError)):
        code = 28
    elif isinstance(error, http.client.RemoteDisconnected):
        code = 52
    elif isinstance(error, (http.client.HTTPException, ConnectionResetError, BrokenPipeError)):
        code = 56
    else:
        code = 7
sys.stderr.write("%d %.6f" % (status, time.monotonic() - started))
if not code:
    sys.stdout.write(body.decode("latin-1"))
sys.exit(code)
"""

# Isolates the fetch from the environment and from configuration files of the user.
_ISOLATION = """
unset http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY
unset CURL_HOME WGETRC SYSTEM_WGETRC WGET2RC SYSTEM_WGET2RC WGET2_PLUGINS WGET2_PLUGIN_DIRS
unset XDG_CONFIG_HOME XDG_DATA_HOME
LC_ALL=C; export LC_ALL
"""

# One function for each tool, to be called in a subshell; $1 is the URL. With "report", wget prints its errors, and curl
# prints that text after the response. Then the selection of the tool.
_TOOLS = r"""
has_tool() { command -v "$1" >/dev/null 2>&1; }
fetch_none() { return 127; }
run_curl() {
  if [ "$proxy" ]; then set -- -x "$proxy" "$@"; else set -- --noproxy '*' "$@"; fi
  exec curl -q -g -f -s -m "$limit" --max-filesize 1048576 --proto '=http,https' \
    ${family:+-$family} ${address:+--interface "$address"} -A "$agent" \
    ${label:+--proxy-header "Proxy-TunnelID: $label"} ${ttl:+--proxy-header "Proxy-TTL: $ttl"} "$@"
}
fetch_curl() { run_curl ${report:+-w "$report"} -- "$1"; }
fetch_wget() {
  url=$1 quiet=-q
  if [ "$proxy" ]; then
    set -- -e "http_proxy=$proxy" -e "https_proxy=$proxy"
    # A configuration file may say otherwise if it cannot be left out; wget2 supports neither.
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
  HOME=/dev/null $with_timeout wget $no_config $quiet -O - -T "$limit" -U "$agent" "$@" "$url"
}
fetch_python() {
  set -- "$1" "$family" "$address" "$limit" "$proxy" "$agent" "$label" "$ttl"
  $with_timeout "$python3" -I -c "$python" "$@"
}
tool=none gnu= no_config= with_timeout= python3=
if has_tool curl; then tool=curl
else
  # Until its release 1.30, busybox had another syntax for it.
  if timeout 1 true >/dev/null 2>&1; then with_timeout="timeout $limit"; fi
  # It sends no header to a proxy before a URL with HTTPS, and thus no label.
  if [ ! "$labels" ] && has_tool wget; then
    # GNU wget supports --no-config since 1.16. What wget2 shows of an HTTPS URL behind a proxy may be the proxy's own.
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
    if [ "$tool" = none ] && has_tool "$candidate"; then tool=python python3=$candidate; fi
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

#: The error of a host without any tool.
NO_TOOL = "the host has neither curl, nor GNU wget, nor python3"


_UNTRUSTED, _LATE = "{owner} certificate is not trusted", "no response in time"
#: The meanings of the exit codes. The Python program uses those of curl.
_CURL_EXIT_CODES = {
    5: "the proxy's name is unknown",
    6: "{owner} name is unknown",
    7: "no connection, refused or unreachable",
    22: "an HTTP error",
    28: _LATE,
    35: "no TLS",
    51: _UNTRUSTED,
    52: "an empty response",
    56: "the connection broke",
    60: _UNTRUSTED,
    63: "the response is too long",
}
_WGET_EXIT_CODES = {
    4: "no connection",
    5: _UNTRUSTED,
    6: "a user name and a password are required",
    8: "an HTTP error or a redirect",
}
#: Of the program timeout, and of SIGALRM.
_TIMEOUT_EXIT_CODES = {124: _LATE, 142: _LATE}


@dataclass(frozen=True)
class Record:
    """One record that the command printed; it is incomplete if the command was interrupted."""

    number: int
    tool: str
    text: str
    complete: bool


def new_nonce() -> str:
    """Return a random word that cannot be guessed."""
    return f"qg{secrets.token_hex(12)}"


def build_script(
    nonce: str, functions: str, jobs: Iterable[str], *, timeout: float, unless: str = "false", **variables: str
) -> str:
    """Return the command: variables, tools, the caller's functions, and its jobs, which may run in the background.

    The jobs are skipped if ``unless``, which prints records as well, succeeds. For the tools, the caller may set
    ``family`` ("4" or "6"), ``address`` (of the source), ``proxy``, ``label`` and ``ttl`` (of a tunnel's exit) and
    ``report``, and set to any text ``plain`` (the wget of busybox is sufficient), ``secure`` (at least one URL uses
    HTTPS) and ``labels`` (at least one job sets ``label``).
    """
    settings = {
        "nonce": nonce,
        # Whole seconds: some versions of wget and timeout accept no fraction.
        "limit": str(math.ceil(timeout)),
        "agent": USER_AGENT,
        "python": _PYTHON.strip(),
        **dict.fromkeys(("family", "address", "proxy", "label", "ttl", "labels", "plain", "secure", "report"), ""),
        **variables,
    }
    return "\n".join(
        [
            _ISOLATION.strip(),
            *(f"{name}={shlex.quote(value)}" for name, value in settings.items()),
            _TOOLS.strip(),
            functions.strip(),
            f"{unless} || {{",
            # Collected first, since on a terminal some shells print a record in parts, which could be mixed.
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
    for character, escape in _ENCODED.items():
        if character in used:
            encoded = encoded.replace(character, escape)
    return f"""eval "$(printf %b '{encoded}')" """.strip()


def parse_records(output: str, nonce: str, count: int) -> list[Record]:
    """Return the records in the output of the command, for fetches 0 to ``count`` - 1.

    Carriage returns of a terminal, a login banner and records with other numbers are ignored.
    """
    found = []
    for part in f"\n{output}".replace("\r", "").split(f"\n{nonce} ")[1:]:
        text, end, _rest = part.partition(f"\n{nonce}.")
        number, tool, content = [*text.split(" ", 2), "", ""][:3]
        index = integer(number)
        if tool in _TOOL_NAMES and index is not None and 0 <= index < count:
            found.append(Record(index, tool, content[:MAX_RECORD], bool(end) and len(content) <= MAX_RECORD))
    return found


def explain_exit_code(tool: str, code: int, owner: str = "its") -> str:
    """Return the reason why a tool that ended with this code has no response."""
    if tool == "none":
        return NO_TOOL
    meanings = {**(_WGET_EXIT_CODES if tool == "wget" else _CURL_EXIT_CODES), **_TIMEOUT_EXIT_CODES}
    return f"{meanings.get(code, 'no response').format(owner=owner)} ({tool} ended with {code})"
