# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of all that speaks TLS here, from an authority that each run creates for itself."""

from __future__ import annotations

import ssl

import trustme


class OwnCertificate:
    """A certificate for some names. Its private key is never on a disk for longer than the start of the simulator."""

    def __init__(self, *names: str) -> None:
        authority = trustme.CA()
        self.authority: bytes = authority.cert_pem.bytes()
        """PEM of the authority, for programs that verify the certificate."""
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*dict.fromkeys(names)).configure_cert(self.context)
