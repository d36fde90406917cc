"""Certificates of authorities that exist for one run of the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: the authority that the application trusts, and what a server may show to it."""

    authority: Path
    right: Path
    """Key and certificate for localhost and 127.0.0.1."""
    of_another_authority: Path
    """For the right names, by an authority that the application does not trust."""
    of_another_host: Path
    """By the right authority, for the wrong name."""


def make_certificates(folder: Path) -> Certificates:
    authority, another = trustme.CA(), trustme.CA()
    certificates = Certificates(
        authority=folder / "authority.pem",
        right=folder / "right.pem",
        of_another_authority=folder / "of-another-authority.pem",
        of_another_host=folder / "of-another-host.pem",
    )
    authority.cert_pem.write_to_path(certificates.authority)
    for issued, path in (
        (authority.issue_cert("localhost", "127.0.0.1"), certificates.right),
        (another.issue_cert("localhost", "127.0.0.1"), certificates.of_another_authority),
        (authority.issue_cert("mail.elsewhere.example"), certificates.of_another_host),
    ):
        issued.private_key_and_cert_chain_pem.write_to_path(path)
    return certificates
