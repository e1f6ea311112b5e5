# SPDX-License-Identifier: GPL-3.0-or-later
"""Who still uses an old password, told from the outside by sessions of known passwords."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import rotation
from conftest import MySQL, RunModule

USER = "mlflowusr"


@pytest.fixture
def rotating(clean: MySQL) -> Iterator[MySQL]:
    """A server that notes logins, with MLflow's user and its first password."""
    verbosity = clean.execute("SELECT @@GLOBAL.log_error_verbosity")[0][0]
    clean.execute("SET GLOBAL log_error_verbosity = 3")
    clean.execute(f"CREATE USER {USER} IDENTIFIED BY 'the old one'")
    yield clean
    clean.execute(f"SET GLOBAL log_error_verbosity = {verbosity}")


def look(run_module: RunModule, server: MySQL, marker: Path, state: str = "inspected", **more: Any) -> Any:
    options = server.options(marker=str(marker), users=[USER], state=state, **more)
    result = run_module("mlflow_mysql_rotation", options)
    assert not result.failed, result.values
    return result


def test_sessions_with_an_old_password_are_told_from_those_with_the_new(
    rotating: MySQL, run_module: RunModule, tmp_path: Path
) -> None:
    marker = tmp_path / "rotating"
    before = rotating.login(USER, "the old one")
    rotating.execute(f"ALTER USER {USER} IDENTIFIED BY 'the new one' RETAIN CURRENT PASSWORD")

    begun = look(run_module, rotating, marker, "begun")

    assert begun["changed"] is True
    assert marker.stat().st_mode & 0o777 == 0o400
    new = rotating.login(USER, "the new one")
    late = rotating.login(USER, "the old one")
    gone = rotating.login(USER, "the old one")
    gone.close()
    found = look(run_module, rotating, marker)
    assert {(session["connection"], session["reason"]) for session in found["old_sessions"]} == {
        (before.thread_id(), "opened_before"),
        (late.thread_id(), "old_password"),
    }
    assert (found["sessions"], found["in_use"], found["blind"]) == (3, True, [])
    assert [(login["user"], login["number"]) for login in found["old_logins"]] == [(USER, 2)]
    assert {session["pid"] for session in found["old_sessions"]} == {os.getpid()}
    # The test's client and the server's host are one machine: the process has a name.
    assert len(found["clients"]) == 1
    assert found["clients"][0].startswith(f"2 sessions of {USER} from this host (process {os.getpid()} of ")

    for connection in (before, late):
        connection.close()
    time.sleep(1.2)
    alone = look(run_module, rotating, marker, recent=1)
    assert (alone["sessions"], alone["old_sessions"], alone["in_use"]) == (1, [], False)
    # A login a moment ago counts although its session has ended: the same client comes again.
    assert look(run_module, rotating, marker, recent=60)["in_use"] is True
    new.close()


def test_a_rotation_that_was_begun_is_not_begun_again(
    rotating: MySQL, run_module: RunModule, tmp_path: Path
) -> None:
    marker = tmp_path / "rotating"
    marker.touch()
    rotating.execute(f"ALTER USER {USER} IDENTIFIED BY 'the new one' RETAIN CURRENT PASSWORD")
    predicted = run_module(
        "mlflow_mysql_rotation",
        rotating.options(marker=str(marker), users=[USER], state="begun"),
        check=True,
    )
    assert predicted["changed"] is True and not marker.read_text()

    assert look(run_module, rotating, marker, "begun")["changed"] is True
    written = marker.read_text()
    new = rotating.login(USER, "the new one")

    again = look(run_module, rotating, marker, "begun")

    assert (again["changed"], again["old_sessions"], marker.read_text()) == (False, [], written)
    new.close()


def test_it_says_what_cannot_be_known(rotating: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    marker = tmp_path / "rotating"
    look(run_module, rotating, marker, "begun")
    rotating.execute("SET GLOBAL log_error_verbosity = 2")

    assert "log_error_verbosity is 2" in look(run_module, rotating, marker)["blind"][0]


def test_without_a_time_every_session_counts(rotating: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    session = rotating.login(USER, "the old one")
    rotating.execute(f"ALTER USER {USER} IDENTIFIED BY 'the new one' RETAIN CURRENT PASSWORD")

    found = look(run_module, rotating, tmp_path / "none")

    assert [old["reason"] for old in found["old_sessions"]] == ["opened_before"]
    assert found["old_password_valid"] == [USER]
    session.close()


def test_nobody_is_locked_out_where_no_old_password_is_valid(
    rotating: MySQL, run_module: RunModule, tmp_path: Path
) -> None:
    """As where the password is given and is the same as before, or where the old ones were discarded already."""
    marker = tmp_path / "rotating"
    session = rotating.login(USER, "the old one")

    for state in ("inspected", "begun", "inspected"):
        found = look(run_module, rotating, marker, state)
        assert (found["old_sessions"], found["in_use"], found["sessions"]) == ([], False, 1)
        assert found["old_password_valid"] == []
    session.close()


def test_check_mode_says_who_would_have_an_old_password(
    rotating: MySQL, run_module: RunModule, tmp_path: Path
) -> None:
    session = rotating.login(USER, "the old one")
    options = rotating.options(marker=str(tmp_path / "none"), users=[USER], state="begun")

    found = run_module("mlflow_mysql_rotation", options, check=True)

    assert [old["connection"] for old in found["old_sessions"]] == [session.thread_id()]
    session.close()


def test_the_time_of_the_beginning_is_right_where_the_clock_is_put_back(rotating: MySQL) -> None:
    connection = rotating.root()
    with connection.cursor() as cursor:
        # Half past one, twice, in New York on 1 November 2026.
        for moment in (1793511000, 1793514600):
            cursor.execute("SET @@SESSION.time_zone = 'America/New_York'")
            cursor.execute(f"SET @@SESSION.timestamp = {moment}")
            assert rotation.inspect(connection, [USER], None).clock == moment
    connection.close()


def test_after_a_restart_no_session_is_older_than_the_new_password(
    rotating: MySQL, run_module: RunModule, tmp_path: Path
) -> None:
    marker = tmp_path / "rotating"
    # As a server leaves it that began an hour before this one started.
    marker.write_text(f'{{"connection": 1000000, "at": {time.time() - 36000}}}')
    session = rotating.login(USER, "the old one")

    assert look(run_module, rotating, marker)["old_sessions"] == []
    session.close()


def test_a_marker_that_is_damaged_is_named(rotating: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    marker = tmp_path / "rotating"
    marker.write_text("yes")

    result = run_module("mlflow_mysql_rotation", rotating.options(marker=str(marker), users=[USER]))

    assert result.failed and f"{marker} does not say when the rotation began" in result["msg"]
