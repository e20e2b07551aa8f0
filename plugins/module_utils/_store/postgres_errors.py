# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address of a PostgreSQL server, and messages for the server's errors."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.errors import OptionError

if TYPE_CHECKING:
    import psycopg

SCHEMES = ("postgresql", "postgres")
OPTION = "store (environment QG_STORE)"
EXAMPLE = "postgresql://user@db.example.com/qgnet"

#: Texts of libpq for connections that will never succeed, and the fix for each. The server's texts are recognised only
#: in English; with others, the connection is retried until the timeout.
_PERMANENT = {
    "password authentication failed": "Check the user and the password: in the URL, in PGPASSWORD or in ~/.pgpass.",
    "no password supplied": "Give the password in the URL, in PGPASSWORD or in ~/.pgpass.",
    "no pg_hba.conf entry": "Let the server accept this user from this machine (pg_hba.conf).",
    'role "': "Check the user, or create it (CREATE ROLE).",
    'database "': "Check the name of the database, or create it (CREATE DATABASE).",
    "Name or service not known": "Check the name of the host.",
    "definition of service": "Check the name of the service, and PGSERVICEFILE.",
    "certificate": "Check sslmode, sslrootcert and the certificate of the server.",
    "does not support SSL": "Set up TLS on the server, or change sslmode.",
    "unsupported startup parameter": "Leave out what the connection pooler does not accept, such as options.",
}
#: Texts of libpq for a server that may soon accept the connection, whatever else the message contains.
_TRANSIENT = {
    "session is read-only": "Name the primary server: this one is a replica that can only be read.",
    "too many": "Raise the limit of connections on the server, or let fewer tasks run at once.",
    "remaining connection slots": "Raise max_connections on the server, or let fewer tasks run at once.",
}
#: Fixes by SQLSTATE; for other states, the message shows only the server's text.
_ADVICE = {
    "53100": "Make room on the disk of the server.",
    "42501": "Give the user of store the right to it, or own the schema qgnet.",
    "25006": _TRANSIENT["session is read-only"],
    "57014": "Find out what keeps the server busy.",
    "25P03": "The process was stopped for longer than the server waits.",
}
#: The SQLSTATEs for a missing table, column or schema.
_DAMAGED = ("42P01", "42703", "3F000")
_LOSS = (
    "Restore a backup, or drop the schema qgnet: the hosts are then registered anew, and their former addresses stay "
    "on the whitelist until they are removed by hand."
)


@dataclass(frozen=True)
class ServerAddress:
    """The URL of a database, checked without a connection. Only ``place`` and ``parameters`` may be shown."""

    url: str = field(repr=False)
    parameters: frozenset[str]
    #: Names the database in messages.
    place: str

    @classmethod
    def parse(cls, url: str) -> ServerAddress:
        """Check a URL; raises OptionError. libpq's own message is not shown, since it may quote a password."""
        fix = f"give the URL of a PostgreSQL database, such as {EXAMPLE}"
        scheme = url.partition("://")[0] if "://" in url else ""
        if scheme not in SCHEMES:
            what = f"begins with {scheme}://" if scheme.isalnum() else "is not a URL"
            raise OptionError(f"{OPTION} {what}: {fix}.")
        # libpq would read a part of such a password as the name of a host or a database, which messages show.
        user, has_user, place = url.partition("://")[2].partition("?")[0].partition("@")
        if has_user and ("/" in user or "@" in place):
            raise OptionError(f"{OPTION} has an unescaped @ or / in its password: write %40 for @ and %2F for /.")
        import_psycopg()
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict

        try:
            given = conninfo_to_dict(url)
        except Error:
            raise OptionError(
                f"{OPTION} cannot be read: {fix}, and write special characters of a password in percent-encoding."
            ) from None
        return cls(url, frozenset(given), _describe(given))


def import_psycopg() -> None:
    """Raise OptionError if psycopg cannot be imported: only control nodes with a database need it."""
    try:
        import psycopg
    except ImportError:
        raise OptionError(
            f"{OPTION} needs the Python package psycopg, which is not installed for this Python: "
            "pip install 'psycopg[binary]>=3.2', or leave store out to keep the state in a directory."
        ) from None
    # Debian 12 has 3.1, which cannot wait for a notification for a limited time.
    if tuple(map(int, psycopg.__version__.split(".")[:2])) < (3, 2):
        raise OptionError(
            f"{OPTION} needs psycopg 3.2 or newer, and {psycopg.__version__} is installed: "
            "pip install --upgrade 'psycopg[binary]>=3.2'."
        )


def _describe(given: dict[str, Any]) -> str:
    host = given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST")
    service = given.get("service") or os.environ.get("PGSERVICE")
    port = given.get("port") or os.environ.get("PGPORT")
    if not host and service:
        return f"service {service}"
    where = f"{host or 'this machine'}{f' port {port}' if port else ''}"
    name = given.get("dbname") or os.environ.get("PGDATABASE")
    return f"{where}, database {name}" if name else where


def is_permanent(error: psycopg.Error) -> bool:
    """Whether further attempts to connect are useless."""
    return any(text in str(error) for text in _PERMANENT) and not any(text in str(error) for text in _TRANSIENT)


def describe_error(place: str, error: psycopg.Error) -> str:
    """Return why the database cannot be used, and what the user can do about it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    # With several hosts or addresses, there is a line for each; the first one is enough.
    reason = lines[0].removeprefix("connection failed: ")[:300].rstrip(".")
    state = error.sqlstate or ""
    advice = next((advice for text, advice in (_TRANSIENT | _PERMANENT).items() if text in str(error)), None)
    if state in _DAMAGED:
        advice = _LOSS
    elif state in _ADVICE:
        advice = _ADVICE[state]
    return unusable(place, reason, advice or "Check that the server runs and can be reached, and run again.")


def unusable(place: str, reason: str, advice: str) -> str:
    """Return the sentence for a database that cannot be used."""
    return f"The database of store ({place}) cannot be used: {reason}. {advice}"
