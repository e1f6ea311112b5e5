# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that are good, and each way in which they are not."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.certificates import (
    Material,
    digests,
    ends,
    find_problems,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
NAMES = ["store.example.org", "10.0.0.7"]


@dataclass
class Authority:
    certificate: x509.Certificate
    key: Any


def pem(thing: Any, passphrase: str | None = None) -> str:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    encryption: Any = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    form = serialization.PrivateFormat.PKCS8
    return str(thing.private_bytes(serialization.Encoding.PEM, form, encryption).decode())


def make(
    subject: str,
    key: Any,
    signer: Authority | None = None,
    names: list[str] | None = None,
    begin: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=90),
    usage: Any = None,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(signer.certificate.subject if signer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.IPAddress(ipaddress.ip_address(one)) if one[0].isdigit() else x509.DNSName(one)
                    for one in names
                ]
            ),
            critical=False,
        )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    signing = signer.key if signer else key
    edwards = isinstance(signing, ed25519.Ed25519PrivateKey)
    return builder.sign(signing, None if edwards else hashes.SHA256())


def authority(kind: str = "ec", signer: Authority | None = None, subject: str = "the CA") -> Authority:
    key: Any = ec.generate_private_key(ec.SECP256R1())
    if kind == "rsa":
        key = rsa.generate_private_key(65537, 2048)
    elif kind == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    return Authority(make(subject, key, signer), key)


@pytest.fixture(scope="module")
def ca() -> Authority:
    return authority()


@pytest.fixture(scope="module")
def key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def good(ca: Authority, key: Any) -> Material:
    return Material(pem(ca.certificate), pem(make("store", key, ca, NAMES)), pem(key))


def test_good(good: Material) -> None:
    assert find_problems(good, NAMES, NOW) == []
    assert find_problems(good, ["STORE.example.org."], NOW) == []


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_other_keys(kind: str, key: Any) -> None:
    one = authority(kind)
    assert (
        find_problems(Material(pem(one.certificate), pem(make("s", key, one, NAMES)), pem(key)), NAMES, NOW)
        == []
    )


def test_a_ca_that_ends(ca: Authority) -> None:
    end = ca.certificate.not_valid_after_utc
    assert ends(pem(ca.certificate), end) and not ends(pem(ca.certificate), end - timedelta(seconds=1))
    assert ends("no certificate", NOW)


def test_wildcard(ca: Authority, key: Any) -> None:
    material = Material(pem(ca.certificate), pem(make("store", key, ca, ["*.example.org"])), pem(key))
    assert find_problems(material, ["store.example.org"], NOW) == []
    for name in ("a.store.example.org", "example.org"):
        assert find_problems(material, [name], NOW) == [
            f"the certificate is not for {name} (it is for *.example.org)"
        ]


def test_chain(ca: Authority, key: Any) -> None:
    middle = authority(signer=ca, subject="in between")
    leaf = pem(make("store", key, middle, NAMES))
    whole = Material(pem(ca.certificate), leaf + pem(middle.certificate), pem(key))
    assert find_problems(whole, NAMES, NOW) == []
    assert find_problems(replace(whole, certificate=leaf), NAMES, NOW) == [
        "the CA did not sign the certificate, nor what signed it"
    ]


def test_ca_that_did_not_sign(good: Material) -> None:
    # The same name, another key.
    other = replace(good, ca=pem(authority().certificate))
    assert find_problems(other, NAMES, NOW) == ["the CA did not sign the certificate, nor what signed it"]


def test_another_host(good: Material) -> None:
    assert find_problems(good, [*NAMES, "other.example.org", "10.0.0.8"], NOW) == [
        "the certificate is not for other.example.org, 10.0.0.8 (it is for store.example.org, 10.0.0.7)"
    ]


def test_time(good: Material) -> None:
    end = "2027-02-22 00:00 UTC"
    late = find_problems(good, NAMES, NOW + timedelta(days=91))
    assert late == [f"the CA ended on {end}", f"the certificate ended on {end}"]
    soon = find_problems(good, NAMES, NOW + timedelta(days=61), spare=timedelta(days=30))
    assert soon == [f"the CA ends on {end}", f"the certificate ends on {end}"]
    assert find_problems(good, NAMES, NOW + timedelta(days=59), spare=timedelta(days=30)) == []
    early = find_problems(good, NAMES, NOW - timedelta(days=2))
    assert early == [f"the {what} is not valid before 2026-11-23 00:00 UTC" for what in ("CA", "certificate")]


def test_key_of_another(good: Material) -> None:
    other = replace(good, key=pem(ec.generate_private_key(ec.SECP256R1())))
    assert find_problems(other, NAMES, NOW) == ["the key is not that of the certificate"]


def test_passphrase(good: Material, key: Any) -> None:
    locked = replace(good, key=pem(key, "secret words"))
    assert find_problems(replace(locked, passphrase="secret words"), NAMES, NOW) == []
    assert find_problems(locked, NAMES, NOW) == ["the key is encrypted: give its passphrase"]
    wrong = find_problems(replace(locked, passphrase="wrong"), NAMES, NOW)
    assert wrong == ["the key cannot be decrypted: the passphrase is wrong"]
    # One that is not needed does no harm.
    assert find_problems(replace(good, passphrase="secret words"), NAMES, NOW) == []


def test_not_what_they_should_be(good: Material) -> None:
    mixed = Material(good.key, good.key, good.certificate)
    assert find_problems(mixed, NAMES, NOW) == [
        "the CA has no certificate in PEM form",
        "the certificate has no certificate in PEM form",
        "the key is no private key in PEM form",
    ]
    broken = replace(good, certificate=good.certificate.replace("M", "N", 1))
    assert find_problems(broken, NAMES, NOW) == ["the certificate has a certificate that cannot be read"]


def test_usage(ca: Authority, key: Any) -> None:
    client = make("a client", key, ca, NAMES, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    material = Material(pem(ca.certificate), pem(client), pem(key))
    assert find_problems(material, NAMES, NOW) == ["the certificate is not for a server"]
    assert find_problems(material, [], NOW, client=True) == []


def test_digests(good: Material, key: Any) -> None:
    same = replace(good, key=pem(key, "words"), passphrase="words", ca=good.ca + "\n")
    assert digests(same) == digests(good)
    assert set(digests(good)) == {"ca", "certificate", "key"}
    assert digests(replace(good, key="no key"))["key"] is None
    other = replace(good, key=pem(ec.generate_private_key(ec.SECP256R1())))
    assert digests(other)["key"] != digests(good)["key"]
