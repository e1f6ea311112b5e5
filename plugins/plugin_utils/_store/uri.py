# SPDX-License-Identifier: GPL-3.0-or-later
"""The URI of a store, for MLflow."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Mapping
from urllib.parse import quote, urlencode

from ansible.errors import AnsibleFilterError

# What SQLAlchemy calls the drivers.
DIALECTS = {"pymysql": "pymysql", "mysqlclient": "mysqldb", "mysqlconnector": "mysqlconnector"}
KEYS = ("host", "port", "database", "user", "password")
MASK = "***"


class BadInput(ValueError):
    """The input makes no URI. The message says what to change, without showing a password."""


def store_uri(
    store: Mapping[str, Any],
    driver: str = "pymysql",
    ssl_ca: str | None = None,
    ssl_cert: str | None = None,
    ssl_key: str | None = None,
    ssl_check_hostname: bool | None = None,
    charset: str | None = None,
    mask: bool = False,
) -> str:
    """The URI of `store`, a mapping with the keys `KEYS`. Raises BadInput."""
    if not isinstance(store, Mapping):
        raise BadInput(
            f"the input is a {type(store).__name__}: give a dictionary with host, user and password"
        )
    unknown = sorted(str(key) for key in store if key not in KEYS)
    if unknown:
        raise BadInput(f"unknown keys {', '.join(unknown)}: the input takes {', '.join(KEYS)}")
    if driver not in DIALECTS:
        raise BadInput(f"unknown driver {driver}: give one of {', '.join(DIALECTS)}")
    who = quote(_text(store, "user"), safe="")
    if store.get("password") is not None:
        who += ":" + (MASK if mask else quote(_password(store, driver), safe=""))
    address = f"{_host(_text(store, 'host'))}:{_port(store.get('port', 3306))}"
    query = _tls(driver, ssl_ca, ssl_cert, ssl_key, ssl_check_hostname)
    if charset:
        query["charset"] = charset
    suffix = "?" + urlencode(query, quote_via=quote, safe="") if query else ""
    return f"mysql+{DIALECTS[driver]}://{who}@{address}/{_database(store)}{suffix}"


def _is_text(value: Any) -> bool:
    # A value that Ansible Vault has encrypted is no str, but has all of its methods.
    return isinstance(value, str) or hasattr(value, "casefold")


def _text(store: Mapping[str, Any], key: str) -> str:
    value = store.get(key)
    if value is None or value == "":
        raise BadInput(f"{key} is missing: the input needs host and user")
    if not _is_text(value):
        raise BadInput(f"{key} is a {type(value).__name__}: give a string")
    return str(value)


def _password(store: Mapping[str, Any], driver: str) -> str:
    value = store["password"]
    if not _is_text(value):
        raise BadInput(f"the password is a {type(value).__name__}: put it in quotes, so that it is a string")
    password = str(value)
    if not password:
        raise BadInput("the password is empty: give one, or leave the key out")
    if driver == "pymysql":
        # PyMySQL sends a password in Latin-1, and MySQL hashed its UTF-8 form:
        # let each of those bytes be a character.
        return password.encode("utf-8").decode("latin-1")
    return password


def _host(host: str) -> str:
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        if not re.match(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?\Z", host):
            raise BadInput(
                f"host {host} is neither a host name nor an IP address, without port or path"
            ) from None
        return host
    return f"[{bare}]" if address.version == 6 else bare


def _port(value: Any) -> int:
    port = int(str(value)) if re.match(r"^[0-9]+\Z", str(value)) and not isinstance(value, bool) else 0
    if not 1 <= port <= 65535:
        raise BadInput(f"port {value} is out of range: give a number from 1 to 65535")
    return port


def _database(store: Mapping[str, Any]) -> str:
    database = str(store.get("database", "mlflow"))
    if not re.match(r"^[A-Za-z0-9_$.-]+\Z", database):
        raise BadInput(f"database {database!r} can't stand in a URI: use letters, digits and _ $ . - only")
    return database


def _tls(
    driver: str, ca: str | None, cert: str | None, key: str | None, check_hostname: bool | None
) -> dict[str, str]:
    """The query parameters that make `driver` verify the server, in the order of the URI."""
    if not ca:
        if cert or key or check_hostname is not None:
            raise BadInput("ssl_cert, ssl_key and ssl_check_hostname need ssl_ca: set it")
        return {}
    if bool(cert) != bool(key):
        raise BadInput("ssl_cert and ssl_key belong together: give both, or neither")
    query = {"ssl_ca": ca}
    if cert and key:
        query.update(ssl_cert=cert, ssl_key=key)
    strict = check_hostname is None or check_hostname
    if driver == "pymysql":
        query["ssl_check_hostname"] = "true" if strict else "false"
    elif driver == "mysqlclient":
        query["ssl_mode"] = "VERIFY_IDENTITY" if strict else "VERIFY_CA"
    else:
        query["ssl_verify_cert"] = "true"
        if strict:
            query["ssl_verify_identity"] = "true"
    return query


def mlflow_store_uri(store: Mapping[str, Any], *args: Any, **kwargs: Any) -> str:
    """`store_uri` with the errors of a filter."""
    try:
        return store_uri(store, *args, **kwargs)
    except (BadInput, TypeError) as error:
        raise AnsibleFilterError(f"mlflow_store_uri: {error}") from error
