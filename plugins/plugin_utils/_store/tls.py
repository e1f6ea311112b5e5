# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a store: whose they are, by which names, where they lie, and whether they are to be made anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import (
    Host,
    Material,
    Options,
)

MOUNTED = "/etc/mysql/tls"
# Keys, and what they are made with.
PRIVATE = ("ca-key.pem", "client-key.pem", "server/server-key.pem", "server/client-key.pem")


@dataclass(frozen=True)
class CertificateSet:
    """What the server presents, or what MLflow may have to."""

    name: str
    names: list[str]
    client: bool


@dataclass(frozen=True)
class Texts:
    """The files of a certificate that was given, in PEM form; null where one cannot be read."""

    ca: str | None
    certificate: str | None
    key: str | None
    passphrase: str | None = None


@dataclass(frozen=True)
class TlsPlan:
    on: bool
    # Where the container sees them.
    mounted: str
    # In the order in which they are looked at.
    sets: list[CertificateSet]
    # The same as mlflow_mysql_host_info takes them.
    inspected: list[dict[str, Any]]
    # The variables of files that were not given.
    missing: list[str]
    # What a client needs besides the URI's other parts to verify the server; paths on this host.
    uri: dict[str, str]


def served(directory: str, clients: bool) -> list[str]:
    """Return the files that the container sees."""
    names = ["ca", "server-cert", "server-key", *(["client-cert", "client-key"] if clients else [])]
    return [f"{directory}/server/{name}.pem" for name in names]


def tls(options: Options, directory: str, names: list[str]) -> TlsPlan:
    """Return the certificates below ``directory`` for a server with these names."""
    on = options.tls != "off"
    sets = [CertificateSet("server", names, client=False)]
    if options.require_x509:
        sets.append(CertificateSet("client", [], client=True))
    return TlsPlan(
        on=on,
        mounted=MOUNTED,
        sets=sets,
        inspected=[
            {
                "name": one.name,
                "names": one.names,
                "client": one.client,
                "ca": f"{directory}/ca.pem",
                "certificate": f"{directory}/server/{one.name}-cert.pem",
                "key": f"{directory}/server/{one.name}-key.pem",
                "spare_days": options.tls_renew_days if options.tls == "generated" else 0,
                "served": served(directory, options.require_x509) if one.name == "server" else [],
                "private": [f"{directory}/{path}" for path in PRIVATE] if one.name == "server" else [],
            }
            for one in (sets if on else [])
        ],
        missing=missing(options),
        uri=uri(options, directory) if on else {},
    )


def missing(options: Options) -> list[str]:
    """Return the variables that name no file where the certificates are to be given."""
    found = [
        f"mlflow_mysql_tls_{name}"
        for name in ("ca", "certificate", "key")
        if getattr(options, f"tls_{name}") is None
    ]
    if options.require_x509 and None in (options.tls_client_certificate, options.tls_client_key):
        found += ["mlflow_mysql_tls_client_certificate", "mlflow_mysql_tls_client_key"]
    return found


def uri(options: Options, directory: str) -> dict[str, str]:
    """Return what clients are told of TLS."""
    found = {"ssl_ca": f"{directory}/{'ca.pem' if options.group is None else 'group-ca.pem'}"}
    if options.require_x509:
        found.update(ssl_cert=f"{directory}/client-cert.pem", ssl_key=f"{directory}/client-key.pem")
    return found


def due(options: Options, host: Host, given: Mapping[str, Material]) -> bool:
    """Return whether anything is to be done.

    Generated ones are made again when anything is wrong with them, those that are given when the host has others.
    """
    if options.tls == "off":
        return False
    if any(found.problems for found in host.tls.values()):
        return True
    there = [found.digests for found in host.tls.values()]
    return options.tls == "provided" and there != [found.digests for found in given.values()]


def material(texts: Texts, wanted: CertificateSet, now: datetime) -> Material:
    """Return what is wrong with a certificate before it goes to a host, as a client that verifies it would see it.

    Nothing of the key is in it but a digest of its public half.
    """
    # It needs a library, which only who gives certificates must have.
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import certificates

    if not certificates.HAS_CRYPTOGRAPHY:
        return Material(["the controller lacks the Python library cryptography"])
    called = {"the CA": texts.ca, "the certificate": texts.certificate, "the key": texts.key}
    unread = [f"{name} cannot be read, or is empty" for name, text in called.items() if not text]
    if unread:
        return Material(unread)
    found = certificates.Material(
        str(texts.ca), str(texts.certificate), str(texts.key), texts.passphrase or None
    )
    return Material(
        certificates.find_problems(found, wanted.names, now, wanted.client), certificates.digests(found)
    )


def authorities(ca: str, certificates: list[str]) -> str:
    """Return the text of the file of authorities: the CA, and whatever follows the first certificate in the others."""
    pem = re.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
    found = [ca, *(one for text in certificates for one in pem.findall(text)[1:])]
    return "\n".join(dict.fromkeys(found)) + "\n"
