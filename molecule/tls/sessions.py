# SPDX-License-Identifier: Apache-2.0
"""What a store with TLS lets in, seen with MLflow's own libraries over TCP.

usage: sessions.py verify CA CERTIFICATE KEY ANOTHER_CA
       sessions.py certificate              print the SHA-256 of the certificate that the server presents
MLFLOW_TRACKING_URI is the store, without TLS in it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any

import pymysql
from mlflow.store.db.utils import create_sqlalchemy_engine
from sqlalchemy import text
from sqlalchemy.engine import make_url

PLAIN = make_url(os.environ["MLFLOW_TRACKING_URI"])
PORT = PLAIN.port or 3306


def refused(what: str, code: int, words: str, **ssl: Any) -> None:
    user = ssl.pop("user", PLAIN.username)
    host = ssl.pop("host", PLAIN.host)
    try:
        pymysql.connect(
            host=host, port=PORT, user=user, password=str(PLAIN.password).encode("latin-1"), **ssl
        ).close()
    except pymysql.err.OperationalError as error:
        assert error.args[0] == code and words in str(error.args[1]), f"{what}: {error}"
        print(f"refused: {what}: {error}")
    else:
        raise AssertionError(f"let in: {what}")


def verify(ca: str, certificate: str, key: str, another_ca: str) -> None:
    query = {"ssl_ca": ca, "ssl_cert": certificate, "ssl_key": key, "ssl_check_hostname": "true"}
    engine = create_sqlalchemy_engine(PLAIN.update_query_dict(query).render_as_string(hide_password=False))
    with engine.connect() as connection:
        cipher = connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).fetchone()[1]
        version = connection.execute(text("SHOW STATUS LIKE 'Ssl_version'")).fetchone()[1]
        account = connection.execute(text("SELECT CURRENT_USER()")).scalar()
    assert cipher and version in ("TLSv1.2", "TLSv1.3"), (cipher, version)
    print(f"MLflow's session: {account}, {version}, {cipher}")
    own = {"ssl_cert": certificate, "ssl_key": key}
    checked = {"ssl_verify_cert": True, "ssl_verify_identity": True}
    # The same by MLflow's own variables, as the summary of a deployment names them.
    for name, path in (("CA", ca), ("CERT", certificate), ("KEY", key)):
        os.environ[f"MLFLOW_MYSQL_SSL_{name}"] = path
    with create_sqlalchemy_engine(PLAIN.render_as_string(hide_password=False)).connect() as connection:
        assert connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).fetchone()[1] == cipher
    # 3159 where the account itself asks for no certificate: see shared/rights.py.
    refused("clear text", 1045, "Access denied", ssl_disabled=True)
    refused("no client certificate", 1045, "Access denied", ssl_ca=ca, **checked)
    refused("another CA", 2003, "CERTIFICATE_VERIFY_FAILED", ssl_ca=another_ca, **own, **checked)
    refused("another host name", 2003, "match", host=sys.argv[6], ssl_ca=ca, **own, **checked)
    refused("root over TCP", 1045, "Access denied", user="root", ssl_ca=ca, **own, **checked)


def presented() -> str:
    connection: Any = pymysql.connect(
        host=PLAIN.host,
        port=PORT,
        user=PLAIN.username,
        password=str(PLAIN.password).encode("latin-1"),
        ssl={"ca": sys.argv[2], "cert": sys.argv[3], "key": sys.argv[4], "check_hostname": True},
    )
    return hashlib.sha256(connection._sock.getpeercert(True)).hexdigest()


if __name__ == "__main__":
    if sys.argv[1] == "verify":
        verify(*sys.argv[2:6])
    else:
        print(presented())
