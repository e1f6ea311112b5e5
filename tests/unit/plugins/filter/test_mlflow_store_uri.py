# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLAlchemy reads from a URI exactly what was put into it."""

from __future__ import annotations

import string
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.filter.mlflow_store_uri import FilterModule
from sqlalchemy.dialects.mysql import pymysql as pymysql_dialect
from sqlalchemy.engine import make_url

store_uri = FilterModule().filters()["mlflow_store_uri"]

PASSWORDS = [
    string.punctuation,
    string.digits + string.ascii_letters,
    " leading and trailing ",
    "new\nline\ttab",
    "%27 %s %% 100%",
    "a+b c",
    "\x01\x7f",
    "x" * 200,
]
BEYOND_ASCII = ["pässwörd", "合言葉", "\U0001f511"]


def store(**more: Any) -> dict[str, Any]:
    return {"host": "db.example.org", "user": "mlflowusr", "password": "secret", **more}


def test_defaults() -> None:
    assert store_uri(store()) == "mysql+pymysql://mlflowusr:secret@db.example.org:3306/mlflow"


def test_without_password() -> None:
    assert store_uri({"host": "db", "user": "u"}) == "mysql+pymysql://u@db:3306/mlflow"
    assert (
        store_uri({"host": "db", "user": "u", "password": None}, mask=True)
        == "mysql+pymysql://u@db:3306/mlflow"
    )


@pytest.mark.parametrize("password", PASSWORDS)
def test_any_password(password: str) -> None:
    uri = store_uri(store(password=password, user=password))
    assert uri.isascii()
    assert not set(uri) & set(" +\"'<>\\") - {"+"}
    url = make_url(uri)
    assert (url.username, url.password) == (password, password)
    assert (url.host, url.port, url.database) == ("db.example.org", 3306, "mlflow")
    assert url.drivername == "mysql+pymysql"
    assert (
        url.render_as_string(hide_password=True)
        == make_url(store_uri(store(user=password), mask=True)).render_as_string()
    )


def test_space_is_not_a_plus() -> None:
    assert ":a%20b%2B%25@" in store_uri(store(password="a b+%"))


@pytest.mark.parametrize("password", BEYOND_ASCII)
@pytest.mark.parametrize("driver", ["mysqlclient", "mysqlconnector"])
def test_beyond_ascii(password: str, driver: str) -> None:
    assert make_url(store_uri(store(password=password), driver=driver)).password == password


@pytest.mark.parametrize("password", BEYOND_ASCII)
def test_beyond_ascii_is_sent_in_utf8_by_pymysql(password: str) -> None:
    uri = store_uri(store(user=password, password=password))
    assert uri.isascii()
    assert make_url(uri).username == password
    # PyMySQL encodes a password in Latin-1.
    assert str(connect_arguments(uri)["password"]).encode("latin-1") == password.encode("utf-8")


@pytest.mark.parametrize(
    ("host", "shown", "read"),
    [
        ("localhost", "localhost", "localhost"),
        ("mlflow_mysql_db", "mlflow_mysql_db", "mlflow_mysql_db"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "[2001:db8::1]", "2001:db8::1"),
        ("[::1]", "[::1]", "::1"),
    ],
)
def test_hosts(host: str, shown: str, read: str) -> None:
    uri = store_uri(store(host=host, port="3307"))
    assert f"@{shown}:3307/" in uri
    assert (make_url(uri).host, make_url(uri).port) == (read, 3307)


@pytest.mark.parametrize(
    ("driver", "dialect"),
    [("pymysql", "pymysql"), ("mysqlclient", "mysqldb"), ("mysqlconnector", "mysqlconnector")],
)
def test_drivers(driver: str, dialect: str) -> None:
    assert make_url(store_uri(store(), driver=driver)).get_driver_name() == dialect


def test_mask() -> None:
    uri = store_uri(store(password="p@ss"), mask=True)
    assert uri == "mysql+pymysql://mlflowusr:***@db.example.org:3306/mlflow"


def connect_arguments(uri: str) -> dict[str, Any]:
    """What SQLAlchemy hands to pymysql."""
    return dict(pymysql_dialect.dialect().create_connect_args(make_url(uri))[1])


@pytest.mark.parametrize(("option", "expected"), [({}, True), ({"ssl_check_hostname": False}, False)])
def test_tls_as_pymysql_gets_it(option: dict[str, bool], expected: bool) -> None:
    uri = store_uri(store(), ssl_ca="/a b/c&d.pem", ssl_cert="/cert", ssl_key="/key=", **option)
    assert connect_arguments(uri)["ssl"] == {
        "ca": "/a b/c&d.pem",
        "cert": "/cert",
        "key": "/key=",
        "check_hostname": expected,
    }


def test_tls_of_other_drivers() -> None:
    def query(**more: Any) -> dict[str, Any]:
        return dict(make_url(store_uri(store(), ssl_ca="/ca", **more)).query)

    assert query(driver="mysqlclient") == {"ssl_ca": "/ca", "ssl_mode": "VERIFY_IDENTITY"}
    assert query(driver="mysqlclient", ssl_check_hostname=False) == {"ssl_ca": "/ca", "ssl_mode": "VERIFY_CA"}
    verified = {"ssl_ca": "/ca", "ssl_verify_cert": "true"}
    assert query(driver="mysqlconnector") == {**verified, "ssl_verify_identity": "true"}
    assert query(driver="mysqlconnector", ssl_check_hostname=False) == verified


def test_charset() -> None:
    assert connect_arguments(store_uri(store(), charset="utf8mb4"))["charset"] == "utf8mb4"
    assert "charset" not in connect_arguments(store_uri(store()))


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ("mysql://", {}, "the input is a str: give a dictionary"),
        ({"user": "u"}, {}, "host is missing"),
        ({"host": "", "user": "u"}, {}, "host is missing"),
        ({"host": "h"}, {}, "user is missing"),
        ({"host": "h", "user": 5}, {}, "user is a int: give a string"),
        (store(password=12345), {}, "the password is a int: put it in quotes"),
        (store(password=b"secret"), {}, "the password is a bytes: put it in quotes"),
        (store(password=""), {}, "the password is empty"),
        (store(passwd="secret"), {}, "unknown keys passwd: the input takes host"),
        (store(host="db:3306"), {}, "host db:3306 is neither"),
        (store(host="/run/mysqld.sock"), {}, "is neither a host name nor"),
        (store(host="a@b"), {}, "is neither a host name nor"),
        (store(host="[db]"), {}, "is neither a host name nor"),
        (store(port=0), {}, "port 0 is out of range: give a number from 1 to 65535"),
        (store(port=65536), {}, "port 65536 is out of range"),
        (store(port="x"), {}, "port x is out of range"),
        (store(port=True), {}, "port True is out of range"),
        (store(port=-1), {}, "port -1 is out of range"),
        (store(database="a/b?c"), {}, "can't stand in a URI"),
        (store(database=""), {}, "can't stand in a URI"),
        (
            store(),
            {"driver": "asyncmy"},
            "unknown driver asyncmy: give one of pymysql, mysqlclient, mysqlconnector",
        ),
        (store(), {"ssl_cert": "/c"}, "need ssl_ca"),
        (store(), {"ssl_check_hostname": True}, "need ssl_ca"),
        (store(), {"ssl_ca": "/ca", "ssl_cert": "/c"}, "belong together"),
        (store(), {"tls": True}, "unexpected keyword argument 'tls'"),
    ],
)
def test_errors(given: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        store_uri(given, **options)
    assert message in str(caught.value)
    for secret in ("secret", "12345"):
        assert secret not in str(caught.value)
