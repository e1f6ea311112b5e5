# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that makes MLflow's backend store URI."""

from __future__ import annotations

from typing import Callable

DOCUMENTATION = r"""
name: mlflow_store_uri
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Make the URI of an MLflow backend store in MySQL
description:
  - Makes the URI for C(--backend-store-uri), C(--registry-store-uri) or E(MLFLOW_BACKEND_STORE_URI) of MLflow.
  - User and password are percent-encoded and may have any character. Do not escape a C(%) of the result for MLflow,
    which does so for Alembic. In a systemd unit, write it as C(%%).
positional: _input
options:
  _input:
    description:
      - The address of the store, and the login.
    type: dict
    required: true
    suboptions:
      host:
        description:
          - A host name or an IP address. Brackets around an IPv6 address are optional.
        type: str
        required: true
      port:
        description:
          - The TCP port.
        type: int
        default: 3306
      database:
        description:
          - MLflow's database. Only letters, digits and C(_ $ . -), since not every SQLAlchemy decodes this part.
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
          - For O(driver=pymysql) the UTF-8 bytes of characters beyond ASCII are in the URI as Latin-1 characters.
            PyMySQL sends passwords in Latin-1, and so sends the bytes that MySQL expects. Such a URI is only for
            PyMySQL.
        type: str
  driver:
    description:
      - MLflow's Python library for MySQL.
    type: str
    choices: [pymysql, mysqlclient, mysqlconnector]
    default: pymysql
  ssl_ca:
    description:
      - The path, on MLflow's host, of the certificate of the CA that signed the server's certificate.
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
      - The character set of the connection. The default is the driver's, which is utf8mb4.
    type: str
  mask:
    description:
      - Whether to show C(***) instead of the password, for messages.
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

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.uri import mlflow_store_uri


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mlflow_store_uri": mlflow_store_uri}
