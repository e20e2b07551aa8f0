# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of all that speaks TLS here, from an authority of one run, or from one that
lasts.
"""

from __future__ import annotations

import datetime
import os
import ssl
from pathlib import Path

import trustme

VENDOR_NAMES = ("qg.net", "*.qg.net", "*.proxy.qg.net", "*.tunnel.qg.net")
"""What programs connect to that have the names of QG.net in their code."""
LONG_AGO = datetime.datetime(2026, 9, 1, tzinfo=datetime.timezone.utc)
AUTHORITY_FILE = "ca.pem"
KEY_FILE = "ca.key"


def open_authority(folder: Path | None) -> trustme.CA:
    """Return the authority that a folder keeps, which is created on first use; without a folder, a
    new one.
    """
    if folder is None:
        return trustme.CA()
    certificate = folder / AUTHORITY_FILE
    key = folder / KEY_FILE
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    authority = trustme.CA(organization_name="QG.net simulator")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Whoever has the key can stand for every site where the authority is trusted.
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(authority.private_key_pem.bytes())
    certificate.write_bytes(authority.cert_pem.bytes())
    return authority


def contexts_for(authority: trustme.CA, *names: str) -> dict[str, ssl.SSLContext]:
    """Return the TLS of a server that has some names and those of QG.net, by whether its
    certificate fits, covers other names alone, or has expired.
    """
    own = (*names, *VENDOR_NAMES)
    issued = {
        "fits": authority.issue_cert(*dict.fromkeys(own)),
        "other": authority.issue_cert(*VENDOR_NAMES[:2]),
        "expired": authority.issue_cert(*dict.fromkeys(own), not_after=LONG_AGO),
    }
    contexts = {}
    for name, certificate in issued.items():
        contexts[name] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(contexts[name])
    return contexts
