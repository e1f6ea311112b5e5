# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that makes MLflow's backend store URI."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Mapping
from urllib.parse import quote, urlencode

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: mlflow_store_uri
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Make the URI of an MLflow backend store in MySQL
description:
  - Makes the URI that MLflow takes as C(--backend-store-uri), C(--registry-store-uri) or
    E(MLFLOW_BACKEND_STORE_URI).
  - User and password are percent-encoded, so that any character may stand in them. A C(%) of the result needs
    no further escaping for MLflow, which escapes it itself where Alembic wants that. In a systemd unit write
    it C(%%).
positional: _input
options:
  _input:
    description:
      - Where the store is, and as whom to log in.
    type: dict
    required: true
    suboptions:
      host:
        description:
          - A host name or an IP address. An IPv6 address may stand in brackets or not.
        type: str
        required: true
      port:
        description:
          - The TCP port.
        type: int
        default: 3306
      database:
        description:
          - MLflow's database. Letters, digits and C(_ $ . -) only, as not every SQLAlchemy decodes this part.
        type: str
        default: mlflow
      user:
        description:
          - The account's name.
        type: str
        required: true
      password:
        description:
          - The account's password. Without one the URI has none.
          - For O(driver=pymysql) the UTF-8 bytes of characters beyond ASCII stand in the URI as Latin-1
            characters, so that PyMySQL, which sends passwords in Latin-1, sends what MySQL expects.
            Such a URI is for PyMySQL only.
        type: str
  driver:
    description:
      - The Python library that MLflow reaches MySQL with.
    type: str
    choices: [pymysql, mysqlclient, mysqlconnector]
    default: pymysql
  ssl_ca:
    description:
      - The path, on the host that runs MLflow, of the certificate of the authority that signed the server's
        certificate.
      - The connection then uses TLS, and the certificate is verified.
    type: str
  ssl_cert:
    description:
      - The path of a client certificate. O(ssl_ca) and O(ssl_key) are needed too.
    type: str
  ssl_key:
    description:
      - The path of the private key of O(ssl_cert).
    type: str
  ssl_check_hostname:
    description:
      - Whether the server's certificate must be for the host in O(_input). O(ssl_ca) is needed too.
    type: bool
    default: true
  charset:
    description:
      - The character set of the connection. Without it the driver's own is used, which is utf8mb4.
    type: str
  mask:
    description:
      - Show C(***) in place of the password, for messages.
    type: bool
    default: false
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_account
"""

EXAMPLES = r"""
- name: Write the environment of MLflow's server
  ansible.builtin.copy:
    dest: /etc/mlflow/environment
    mode: "0600"
    content: |
      MLFLOW_BACKEND_STORE_URI={{ store | mlflow_ops.backend_store.mlflow_store_uri }}
  vars:
    store:
      host: db.example.org
      user: mlflowusr
      password: "{{ mlflow_password }}"
  no_log: true

- name: Say where MLflow logs to
  ansible.builtin.debug:
    msg: >-
      {{ {'host': '2001:db8::1', 'user': 'mlflowusr', 'password': 'p@ss word'}
         | mlflow_ops.backend_store.mlflow_store_uri(ssl_ca='/etc/ssl/store.pem', mask=true) }}
  # mysql+pymysql://mlflowusr:***@[2001:db8::1]:3306/mlflow?ssl_ca=%2Fetc%2Fssl%2Fstore.pem&ssl_check_hostname=true
"""

RETURN = r"""
_value:
  description: The URI.
  type: str
  sample: mysql+pymysql://mlflowusr:p%40ss%20word@db.example.org:3306/mlflow
"""

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


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mlflow_store_uri": mlflow_store_uri}
