# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are on the disk once they are written. Private to this collection: it may change without notice."""

from __future__ import annotations

import contextlib
import os


def sync_directory(path: str) -> None:
    """Have on the disk which names a directory holds; an empty path is the working directory. Raises OSError."""
    handle = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: str, text: str, temporary: str, mode: int | None = None) -> None:
    """Put a file in its place at once: a reader sees the old or the new text, also after a power cut. Raises OSError.

    `temporary` is its path until then, on the same file system, and no file afterwards. Without a `mode` the umask
    decides.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        handle = os.open(temporary, flags, 0o666 if mode is None else mode)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path))
