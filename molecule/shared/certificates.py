# SPDX-License-Identifier: Apache-2.0
"""Certificates as an authority of the user's would give them, and some that nobody should take.

usage: certificates.py DIRECTORY NAME...      NAME is what the server is called
"""

from __future__ import annotations

import ipaddress
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(timezone.utc)
PASSPHRASE = b"canary-passphrase %s'"


def key() -> Any:
    return rsa.generate_private_key(65537, 2048)


def certificate(
    subject: str,
    own: Any,
    issuer: Any = None,
    signer: Any = None,
    names: list[str] | None = None,
    end: int = 90,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=100))
        .not_valid_after(NOW + timedelta(days=end))
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
    )
    if issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if names is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        found: list[x509.GeneralName] = []
        for one in names:
            try:
                found.append(x509.IPAddress(ipaddress.ip_address(one)))
            except ValueError:
                found.append(x509.DNSName(one))
        builder = builder.add_extension(x509.SubjectAlternativeName(found), critical=False)
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(signer or own, hashes.SHA256())


def main() -> None:
    directory, names = Path(sys.argv[1]), sys.argv[2:]
    directory.mkdir(parents=True, exist_ok=True)

    def write(name: str, *things: Any, passphrase: bytes | None = None) -> None:
        text = b""
        for thing in things:
            if isinstance(thing, x509.Certificate):
                text += thing.public_bytes(serialization.Encoding.PEM)
                continue
            lock: Any = serialization.NoEncryption()
            if passphrase:
                lock = serialization.BestAvailableEncryption(passphrase)
            text += thing.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
        (directory / name).write_bytes(text)

    root_key, middle_key, server_key, client_key = key(), key(), key(), key()
    root = certificate("Root of a company", root_key)
    middle = certificate("Issuer of a company", middle_key, root, root_key)
    write("ca.pem", root)
    write("server.pem", certificate("store", server_key, middle, middle_key, names), middle)
    write("server.key", server_key)
    write("locked.key", server_key, passphrase=PASSPHRASE)
    write("client.pem", certificate("a client", client_key, middle, middle_key, ["client"]), middle)
    write("client.key", client_key)
    write("client-locked.key", client_key, passphrase=PASSPHRASE)
    # What nobody should take.
    write("expired.pem", certificate("store", server_key, middle, middle_key, names, end=-1), middle)
    write(
        "elsewhere.pem",
        certificate("store", server_key, middle, middle_key, ["elsewhere.example.org"]),
        middle,
    )
    write("stranger.pem", certificate("Root of a company", key()))
    write("other.key", key())


if __name__ == "__main__":
    main()
