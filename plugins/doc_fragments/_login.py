# SPDX-License-Identifier: GPL-3.0-or-later
"""The options for a module's connection to MySQL. Private to this collection.

`_mysql/connection.py` specifies them. A module that has them is in the action group `mysql` of meta/runtime.yml.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_user:
    description:
      - The account that the module logs in as.
    type: str
    default: root
  login_password:
    description:
      - The password of O(login_user). It is tried first.
      - Without this and O(login_password_files), the module logs in without a password.
    type: str
  login_password_files:
    description:
      - Files on the host that may hold the password of O(login_user). They are tried in this order after
        O(login_password).
      - A file's content is the password, less one trailing newline. Missing files are skipped.
      - With the new password in O(login_password) and the file of an initial password here, the same task works
        before and after the change of the password.
    type: list
    elements: path
    default: []
  login_host:
    description:
      - The name or address of the MySQL server.
      - With O(login_unix_socket), this is only used to try accounts other than O(login_user) over TCP.
    type: str
    default: 127.0.0.1
  login_port:
    description:
      - The TCP port of the MySQL server at O(login_host).
    type: int
    default: 3306
  login_unix_socket:
    description:
      - The path of the server's Unix socket on the host. O(login_user) then logs in through the socket instead of
        TCP.
    type: path
  connect_timeout:
    description:
      - The timeout of one attempt to connect and log in, in seconds.
    type: int
    default: 10
  ca_cert:
    description:
      - The path of the certificate of the CA that signed the server's certificate.
      - Connections over TCP then use TLS, and the server's certificate is verified.
      - Without this and the other options for TLS, PyMySQL decides. Version 1.2 and newer use TLS if the server
        offers it, but verify nothing. Older versions use no TLS.
    type: path
    aliases: [ssl_ca]
  client_cert:
    description:
      - The path of a client certificate. O(client_key) is needed too.
    type: path
    aliases: [ssl_cert]
  client_key:
    description:
      - The path of the private key of O(client_cert).
    type: path
    aliases: [ssl_key]
  check_hostname:
    description:
      - Whether the server's certificate must be for O(login_host).
      - By default it must if O(ca_cert) is given.
      - V(false) without O(ca_cert) uses TLS without verifying the server's certificate.
    type: bool
attributes:
  action_group:
    description: Use C(group/mlflow_ops.backend_store.mysql) in C(module_defaults) to give the login once for all
      modules of the group.
    support: full
    membership:
      - mlflow_ops.backend_store.mysql
requirements:
  - PyMySQL >= 1.0.2 (C(python3-pymysql) on Debian and Ubuntu)
  - cryptography, for accounts with V(caching_sha2_password) over TCP without TLS (C(python3-cryptography))
notes:
  - A wrong password fails at once. No password is tried twice.
  - Passwords are sent to the server in UTF-8, as MySQL's own client does.
"""
