# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is there as a whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._files import durable


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o640), (0o400, 0o400), (0o666, 0o666)])
def test_text_and_mode(tmp_path: Path, mode: int | None, expected: int) -> None:
    path, temporary = tmp_path / "file", tmp_path / ".new"
    path.write_text("old")
    before = os.umask(0o027)
    try:
        durable.write_whole(str(path), "ü\n", str(temporary), mode)
    finally:
        os.umask(before)
    assert path.read_bytes() == "ü\n".encode()
    assert path.stat().st_mode & 0o777 == expected
    assert list(tmp_path.iterdir()) == [path]


def test_what_an_interrupted_run_left_is_replaced(tmp_path: Path) -> None:
    path, temporary = tmp_path / "file", tmp_path / ".new"
    temporary.write_text("a longer text")
    durable.write_whole(str(path), "text", str(temporary), 0o600)
    assert path.read_text() == "text" and path.stat().st_mode & 0o777 == 0o600 and not temporary.exists()


def test_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    durable.write_whole("file", "text", "file.new")
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_failure_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*dummy: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        durable.write_whole(str(path), "new", str(tmp_path / ".new"))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / ".new"
    victim.write_text("precious")
    link.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        durable.write_whole(str(tmp_path / "file"), "new", str(link))
    assert victim.read_text() == "precious" and not (tmp_path / "file").exists()
