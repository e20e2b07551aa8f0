# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The look at what is installed on a host: one shell command for all of it.

``module_utils/_gateway/exits.py`` reads what it prints. A module of Ansible for each part would
take ten times as long.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import (
    Declaration,
    Gateway,
    ProxyList,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.places import folders_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import LIST

#: Two programs that ask HAProxy at its socket for its exits and print the answer, for at most three
#: seconds. Perl, which each Debian has, starts four times as fast as Python.
_PERL = (
    'alarm 3; $s = IO::Socket::UNIX->new($ARGV[0]) or die; print $s "show exits\\n"; $| = 1; '
    "print while <$s>"
)
_PYTHON = (
    "import signal, socket, sys; signal.alarm(3); s = socket.socket(1); "
    's.connect(sys.argv[1]); s.sendall(b"show exits\\n"); '
    "sys.stdout.write(s.makefile().read())"
)
#: What HAProxy answers if its user cannot read the file of leases.
UNREADABLE = "unreadable"
_EXITS = (
    "exits() {{ if command -v perl >/dev/null; "
    "then said=$(perl -MIO::Socket::UNIX -e {perl} {run}.sock); "
    "else said=$(python3 -c {python} {run}.sock); fi || return $?; "
    f'printf "%s\\n" "$said"; [ "$said" != {UNREADABLE} ]; }}}}'
)
#: Two programs that try to listen on the addresses of a gateway, and print those where they cannot.
#: Ports that its process has already are tried at any port of their address.
_LISTEN_PERL = (
    "$own = shift; for (@ARGV) { ($host, $port) = split /:/; "
    '$port = 0 if " $own " =~ / $port /; socket($s, PF_INET, SOCK_STREAM, 0); '
    "setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1); "
    "next if bind($s, sockaddr_in($port, inet_aton($host))) && listen($s, 1); "
    '($why = "$!") =~ tr/ /_/; print "refused=$_=$why\n" }'
)
_LISTEN_PYTHON = """\
import socket, sys
for address in sys.argv[2:]:
    host, _colon, port = address.rpartition(":")
    if port in sys.argv[1].split():
        port = 0
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, int(port)))
            listener.listen(1)
        except OSError as error:
            print(f"refused={address}={error.strerror}".replace(" ", "_"))
"""
_LISTEN = """\
own=$(sed -n 's/^ *bind .*:\\([0-9]*\\)$/\\1/p' {file}.cfg 2>/dev/null)
own=$(echo $own)
if command -v perl >/dev/null; then perl -MSocket -e {perl} "$own" {addresses}
else python3 -c {python} "$own" {addresses}; fi
"""
#: The exit codes of a script that cannot write a file, and of one whose host is not as its run has
#: seen it, and that of a program whose time is over.
UNWRITABLE = 77
CHANGED = 78
NO_ANSWER = 142
#: Says whether the process serves its files: it does not if one is newer than the process.
_CURRENT = (
    "current=yes; for part in cfg lua map; do [ {run}.pid -ot {file}.$part ] && current=no; done"
)
#: Prints the user and the group, and what has each of these names; a file of the role begins with
#: the pattern after its name.
_PLACES = """\
see() {
    fact=$(stat -c '%f %u %g' "$1" 2>/dev/null) || return 0
    begins=other
    if [ -f "$1" ] && [ ! -L "$1" ]; then
        case $(head -c 80 "$1" 2>/dev/null) in ''|$2) begins=own;; esac
    fi
    echo "$fact $begins $1"
}
echo '--- places'; echo "$(id -u) $(id -g)"
"""
#: Makes a file that is descriptor 3 of a subshell, unless anything has its name, be it a link.
_CREATE = 'create() {{ set -C; exec 3>"$1"; }}'
#: Whether 8,192 bytes fit into a folder.
_ROOM = (
    f"{_CREATE}; ( create {{room}} 2>/dev/null || exit; printf '%8192s' ' ' >&3 && echo room; "
    "rm -f {room} )"
)


def _digest(path: str) -> str:
    """Return a command that prints the digest of a file, and nothing if there is none."""
    return f"[ -f {path} ] && sha256sum <{path} | cut -c 1-64"


_GATEWAY = f"""\
{_EXITS}
[ -d /run/systemd/system ] && echo systemd
[ -d {{directory}} ] && echo directory
command -v haproxy >/dev/null && echo haproxy
{_ROOM}
[ -w /root ] && echo root
sed -n 's/^# layout=/layout=/p' {{file}}.cfg 2>/dev/null
{_CURRENT}
echo seen=$({_digest("{file}.leases")})
{{places}}
echo '--- exits'; exits 2>/dev/null && [ $current = yes ] && echo serves
echo '--- file'; cat {{file}}.leases 2>/dev/null
"""
_LIST = f"""\
echo seen=$({_digest("{path}")})
[ -d {{folder}} ] && echo folder
[ -d {{folder}} ] && [ ! -w {{folder}} ] && echo closed
may_own() {{{{
    owner=$(id -u {{owner}}) || return 1
    [ "$(id -u)" = 0 ] || [ "$owner" = "$(id -u)" ]
}}}}
[ -z {{owner}} ] || may_own >/dev/null 2>&1 || echo owner
[ -z {{program}} ] || command -v {{program}} >/dev/null || echo command
{{{{ [ {{mark}} -ot {{path}} ] || [ {{mark}} -nt {{path}} ]; }}}} && echo pending
{_ROOM}
{{places}}
echo '--- exits'
echo '--- file'; head -n 1 {{mark}} 2>/dev/null
"""


def look_script(declarations: Sequence[Declaration], nonce: str, *, is_install: bool) -> str:
    """Return a command for /bin/sh that prints a part for each declaration, after a line with the
    nonce.

    Before something is installed, it tries whether HAProxy could listen: a reload with an address
    that it cannot have would refuse all connections for two seconds, and give no reason.
    """
    parts = ["PATH=$PATH:/usr/sbin:/sbin"]
    for declaration in declarations:
        # An empty line ends that of the nonce, also if no flag follows.
        parts.append(f"echo {nonce}; echo")
        if isinstance(declaration, Gateway):
            if is_install:
                parts.append(_listen_part(declaration))
            parts.append(_gateway_part(declaration, nonce))
        else:
            parts.append(_list_part(declaration, nonce))
    parts.append("true")
    return "\n".join(parts)


def _gateway_part(gateway: Gateway, nonce: str) -> str:
    return _GATEWAY.format(
        directory=shlex.quote(gateway.directory),
        room=shlex.quote(f"{gateway.file}.{nonce}"),
        places=_places(gateway, gateway.units_of_others),
        **_words(gateway.file, gateway.run),
    )


def _places(declaration: Declaration, suspects: Sequence[str] = ()) -> str:
    """Return commands that print what is in the way of the files of a declaration, or is not."""
    begins = dict.fromkeys([*folders_of(declaration), *suspects], "") | declaration.files
    lines = [f"see {shlex.quote(path)} {shlex.quote(text)}" for path, text in begins.items()]
    return "\n".join([_PLACES, *lines])


def _listen_part(gateway: Gateway) -> str:
    return _LISTEN.format(
        file=shlex.quote(gateway.file),
        perl=shlex.quote(_LISTEN_PERL),
        python=shlex.quote(_LISTEN_PYTHON),
        addresses=" ".join(gateway.addresses),
    )


def _words(file: str, run: str) -> dict[str, str]:
    """Return the paths of a gateway and the programs, quoted, for the scripts."""
    return {
        "file": shlex.quote(file),
        "run": shlex.quote(run),
        "perl": shlex.quote(_PERL),
        "python": shlex.quote(_PYTHON),
    }


def _list_part(proxies: ProxyList, nonce: str) -> str:
    program = (proxies.command.split() or [""])[0]
    return _LIST.format(
        path=shlex.quote(proxies.path),
        folder=shlex.quote(proxies.path.rpartition("/")[0] or "/"),
        owner=shlex.quote(proxies.owner),
        program=shlex.quote(program),
        mark=shlex.quote(proxies.mark),
        room=shlex.quote(f"{proxies.mark}.{nonce}"),
        places=_places(proxies),
    )


#: Lets one script at a time change a gateway.
_ALONE = "exec 9<{folder}; flock -w 30 9"
#: Ends a script if the configuration or the content of a file is that of another run.
_CONFIGURED = f"grep -qsx {{layout}} {{file}}.cfg || exit {CHANGED}"
_SEEN = f"case $({{digest}}) in {{seen}}) ;; *) exit {CHANGED};; esac"
#: Replaces the file of leases as a whole.
_WRITE = f"""\
umask 022
{_EXITS}
{_CREATE}
{_ALONE}
{{checks}}
( create {{new}}; cat >&3 && mv -fT {{new}} {{file}}.leases || {{{{ rm -f {{new}}; exit 1; }}}}
) <<'{{mark}}' || exit {UNWRITABLE}
{{text}}{{mark}}
"""
#: Starts the process, or lets it read its configuration again, and waits until it serves that, or
#: says that it cannot read its leases. One whose socket is gone or refuses is ended first, since a
#: reload would hand that socket on. A stopped one is left alone, since a new process would ask it
#: for its ports. Times of a clock that was ahead would hide which process serves, so that only one
#: that starts from now on is newer than the files.
_RUN = f"""\
PATH=$PATH:/usr/sbin:/sbin
{_EXITS}
{_ALONE}
serves() {{{{ {_CURRENT}; [ $current = yes ] && exits >/dev/null 2>&1; }}}}
exits >/dev/null 2>&1
[ $? = {NO_ANSWER} ] && exit {NO_ANSWER}
way=restart
[ -n "$said" ] && way=reload-or-restart
touch -c {{file}}.cfg {{file}}.lua {{file}}.map
touch -c -t 200001010000 {{run}}.pid
began=$(date +%s)
{{start}}
for tenth in $(seq 100); do
    serves && exit 0
    [ "$said" = {UNREADABLE} ] && break
    sleep 0.1
done
exits 2>/dev/null
{{log}}
exit 1
"""
_SYSTEMD = (
    "systemctl daemon-reload; systemctl enable --quiet {name}; systemctl $way {name} 2>/dev/null"
)
#: Whether the process with the number $pid is that of the gateway. After a restart of a container,
#: another program soon has the number.
_IS_OURS = "grep -qsF -- {file}.cfg /proc/$pid/cmdline"
_PID = "pid=$(cat {run}.pid 2>/dev/null)"
_DAEMON = f"""\
{_PID}
if [ $way = restart ]; then
    {_IS_OURS} && kill $pid
    for tenth in $(seq 50); do {_IS_OURS} || break; sleep 0.1; done
fi
{_IS_OURS} && kill -USR2 $pid || haproxy -W -D -p {{run}}.pid -f {{file}}.cfg 2>&1 9<&- || exit 1"""
_STOP_SYSTEMD = "systemctl disable --now --quiet {name} 2>/dev/null"
#: Its processes are known by their commands, since somebody may have deleted its file.
_STOP_DAEMON = """\
for each in /proc/[0-9]*; do
    [ "$(cat $each/comm 2>/dev/null)" = haproxy ] || continue
    tr '\\0' '\\n' <$each/cmdline 2>/dev/null | grep -qxF -- {file}.cfg && kill ${{each#/proc/}}
done"""
_LOG = (
    "journalctl --unit={name} --since=@$began --grep=ALERT --lines=4 --output=cat --quiet "
    "2>/dev/null"
)
#: A reason of HAProxy, without the place in a file, which the user does not know; and what the last
#: line contains, which only says that it ends.
_ALERT = re.compile(r"\[ALERT\].*? : (?:parsing \[[^\]]*\] : )?(.*)")
_NO_REASON = "haproxy.main"


def run_script(gateway: Mapping[str, Any]) -> str:
    """Return a command that lets the process of a gateway serve its files, and otherwise prints
    HAProxy's reasons.
    """
    file = shlex.quote(gateway["file"])
    run = shlex.quote(gateway["run"])
    name = shlex.quote(gateway["name"])
    is_service = gateway["service"] == "systemd"
    start = (_SYSTEMD if is_service else _DAEMON).format(file=file, run=run, name=name)
    log = _LOG.format(name=name) if is_service else ""
    folder = _folder(gateway)
    return _RUN.format(
        start=start, log=log, folder=folder, **_words(gateway["file"], gateway["run"])
    )


def _folder(gateway: Mapping[str, Any]) -> str:
    """Return the folder of the files of a gateway, quoted."""
    return shlex.quote(gateway["file"].rpartition("/")[0])


def leases_script(
    gateway: Mapping[str, Any], mark: str, *, seen: Collection[str] = (), asks: bool = False
) -> str:
    """Return a command that writes the file of leases; ``mark`` is a word that nobody can guess.

    If it ``asks``, it succeeds only if the process answers, which then uses the file. It ends with
    :data:`CHANGED` if the configuration is another one then, or if the file has none of the digests
    that were ``seen``.
    """
    checks = []
    words = _words(gateway["file"], gateway["run"])
    if asks:
        layout = shlex.quote(f"# layout={gateway['layout']}")
        checks.append(_CONFIGURED.format(layout=layout, **words))
    if seen:
        checks.append(seen_script(f"{gateway['file']}.leases", seen))
    script = _WRITE.format(
        text=gateway["text"],
        mark=mark,
        checks="\n".join(checks),
        folder=_folder(gateway),
        new=shlex.quote(f"{gateway['file']}.leases.{mark}"),
        **words,
    )
    return f"{script}exits >/dev/null" if asks else script


def seen_script(path: str, seen: Collection[str]) -> str:
    """Return a command that ends with :data:`CHANGED` if a file has none of these digests."""
    digests = "|".join(map(shlex.quote, seen))
    return _SEEN.format(digest=_digest(shlex.quote(path)), seen=digests)


def removal_script(served: Mapping[str, Any], *, is_found: bool) -> str:
    """Return a command that removes a gateway or a list, and last the file by which a look finds
    it.

    It fails if a file stays. What a look has not found may be hidden from this user, and then the
    command fails as well.
    """
    *others, last = map(shlex.quote, served["files"])
    removal = f"rm -f {last}"
    if not is_found:
        return removal
    first = f"rm -f {' '.join(others)} && {removal}"
    return first if served["kind"] == LIST else f"{_stop_script(served)}; {first}"


def _stop_script(gateway: Mapping[str, Any]) -> str:
    """Return a command that stops the process of a gateway."""
    stop = _STOP_SYSTEMD if gateway["service"] == "systemd" else _STOP_DAEMON
    return stop.format(name=shlex.quote(gateway["name"]), **_words(gateway["file"], gateway["run"]))


def command_script(proxies: Mapping[str, Any]) -> str:
    """Return a command that runs that of a list, as the role has written it into the mark: whoever
    can write to the store cannot run another one.

    Only if it succeeds has the mark the time of the list. So whatever ends a run that has written a
    list, and by any clock, the next look finds that the command still has to run.
    """
    path = shlex.quote(proxies["path"])
    mark = shlex.quote(proxies["mark"])
    return f'/bin/sh -c "$(tail -n +2 {mark})" && touch -r {path} {mark}'


def reason(output: str) -> str:
    """Return why HAProxy does not take a configuration, or does not start; empty if it does not
    say.
    """
    for line in output.splitlines():
        match = _ALERT.search(line)
        if match and _NO_REASON not in match[1]:
            return one_line(match[1].strip())
    return ""
