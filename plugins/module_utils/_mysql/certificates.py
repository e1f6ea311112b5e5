# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a server's certificate. Private to this collection: it may change without notice.

Needs the library cryptography, 38 or newer. Certificates and keys are PEM text.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Sequence

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

BLOCK = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class BadPem(Exception):
    """A text is not what it should be. The message can follow the name of what it is from."""


@dataclass(frozen=True)
class Material:
    """The certificates and the key that a server, or a client, presents; `passphrase` is the key's."""

    ca: str
    certificate: str
    key: str
    passphrase: str | None = None


def read_certificates(pem: str) -> list[x509.Certificate]:
    """All certificates of a file. Raises BadPem if there is none, or one that cannot be read."""
    blocks = BLOCK.findall(pem)
    if not blocks:
        raise BadPem("has no certificate in PEM form")
    try:
        return [x509.load_pem_x509_certificate(block.encode()) for block in blocks]
    except ValueError:
        raise BadPem("has a certificate that cannot be read") from None


def read_key(pem: str, passphrase: str | None) -> Any:
    """The private key in `pem`. Raises BadPem."""
    try:
        return serialization.load_pem_private_key(pem.encode(), passphrase.encode() if passphrase else None)
    except TypeError:
        # The library tells apart a passphrase that is missing and one that is given to a key that has none.
        if passphrase:
            return read_key(pem, None)
        raise BadPem("is encrypted: give its passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        if "ENCRYPTED" in pem:
            raise BadPem("cannot be decrypted: the passphrase is wrong") from None
        raise BadPem("is no private key in PEM form") from None


def not_after(certificate: x509.Certificate) -> datetime:
    return _utc(certificate, "not_valid_after")


def _utc(certificate: x509.Certificate, name: str) -> datetime:
    aware = getattr(certificate, f"{name}_utc", None)  # since cryptography 42
    return aware if aware is not None else getattr(certificate, name).replace(tzinfo=timezone.utc)


def names_of(certificate: x509.Certificate) -> list[str]:
    """Host names and addresses that the certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return [*found.get_values_for_type(x509.DNSName), *addresses]


def is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether a client that connects to `name` accepts it, a wildcard in the first label included (RFC 6125)."""
    known = [one.lower() for one in names_of(certificate)]
    try:
        return str(ipaddress.ip_address(name)) in known
    except ValueError:
        wanted = name.lower().rstrip(".")
        return wanted in known or "*." + wanted.partition(".")[2] in known


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    key: Any = issuer.public_key()
    signature, signed, algorithm = (
        certificate.signature,
        certificate.tbs_certificate_bytes,
        certificate.signature_hash_algorithm,
    )
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), algorithm or hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(algorithm or hashes.SHA256()))
        elif isinstance(key, dsa.DSAPublicKey):
            key.verify(signature, signed, algorithm or hashes.SHA256())
        else:
            key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def chain_ends_at(certificates: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> bool:
    """Whether the first certificate leads, through the others, to one of `authorities`."""
    current, others = certificates[0], list(certificates[1:])
    while True:
        if any(signed_by(current, authority) for authority in authorities):
            return True
        following = next((one for one in others if signed_by(current, one)), None)
        if following is None:
            return False
        others.remove(following)
        current = following


def ends(text: str, by: datetime) -> bool:
    """Whether the first certificate of a text is not valid after `by`, as is one that cannot be read."""
    try:
        return not_after(read_certificates(text)[0]) <= by
    except BadPem:
        return True


def find_problems(
    material: Material,
    names: Sequence[str],
    now: datetime,
    client: bool = False,
    spare: timedelta = timedelta(),
) -> list[str]:
    """All that keeps clients from verifying a server with this material: sentences without an end.

    `names` are those by which clients connect. With `client` it is a client's. With `spare` a certificate that ends
    within that time is a problem already.
    """
    problems: list[str] = []
    read: dict[str, list[x509.Certificate]] = {}
    key: Any = None
    for what, text in (("CA", material.ca), ("certificate", material.certificate)):
        try:
            read[what] = read_certificates(text)
        except BadPem as error:
            problems.append(f"the {what} {error}")
    authorities, certificates = read.get("CA", []), read.get("certificate", [])
    try:
        key = read_key(material.key, material.passphrase)
    except BadPem as error:
        problems.append(f"the key {error}")
    for what, (one, *_others) in read.items():
        end, begin = not_after(one), _utc(one, "not_valid_before")
        if end <= now + spare:
            problems.append(f"the {what} {'ended' if end <= now else 'ends'} on {end:%Y-%m-%d %H:%M} UTC")
        if begin > now:
            problems.append(f"the {what} is not valid before {begin:%Y-%m-%d %H:%M} UTC")
    if certificates:
        leaf = certificates[0]
        if key is not None and _public(leaf.public_key()) != _public(key.public_key()):
            problems.append("the key is not that of the certificate")
        if authorities and not chain_ends_at(certificates, authorities):
            problems.append("the CA did not sign the certificate, nor what signed it")
        missing = [name for name in names if not is_for(leaf, name)]
        if missing:
            has = ", ".join(names_of(leaf)) or "no name"
            problems.append(f"the certificate is not for {', '.join(missing)} (it is for {has})")
        if not _has_usage(leaf, client):
            problems.append(f"the certificate is not for a {'client' if client else 'server'}")
    return problems


def digests(material: Material) -> dict[str, str | None]:
    """SHA-256 of both files and of the public half of the key, to tell whether a server has this material."""
    try:
        key = hashlib.sha256(_public(read_key(material.key, material.passphrase).public_key())).hexdigest()
    except BadPem:
        key = None
    texts = {"ca": material.ca, "certificate": material.certificate}
    return {
        **{name: hashlib.sha256(text.strip().encode()).hexdigest() for name, text in texts.items()},
        "key": key,
    }


def _public(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))


def _has_usage(certificate: x509.Certificate, client: bool) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return (ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH) in list(usage)
