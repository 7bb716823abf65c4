"""Where a session is kept."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Where one session is kept. Its text holds a secret: whoever has it is this client."""

    def read(self) -> str | None:
        """The text that was written last; none, where there is none."""

    def write(self, text: str) -> None:
        """Replaces it, as a whole or not at all. It is called in other threads, never twice at once."""


class MemoryStore:
    """A store that lives as long as the process: for clients that follow one another."""

    def __init__(self) -> None:
        self._text: str | None = None

    def read(self) -> str | None:
        """The text that was written last."""
        return self._text

    def write(self, text: str) -> None:
        """Replaces it."""
        self._text = text


class FileStore:
    """A file that only its owner may read, so that a program that is started again goes on with its session.

    One client at a time uses it: two that resume the same session take it from each other, and the first ends.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        if not self._path.parent.is_dir():
            raise ValueError(f"the folder {str(self._path.parent)!r} of the store is not there; make it first")
        if self._path.is_dir():
            raise ValueError(f"{str(path)!r} is a folder; name a file in it for the store")

    def read(self) -> str | None:
        """The text of the file; none, where there is no file."""
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def write(self, text: str) -> None:
        """Writes another file and puts it in the place of this one, so that a reader finds the one or the other."""
        path = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            with open(path, "x", encoding="utf-8", opener=_private) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(path, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
