"""How the connection is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StateName = Literal["connecting", "connected", "reconnecting", "unauthorized", "closed"]
"""`unauthorized` is a gateway that does not take the token, or an application that gives none: `connect_now` asks again."""


@dataclass(frozen=True)
class State:
    """How the connection is."""

    name: StateName
    why: str = ""
    """What ended the last socket, or kept the next from opening; empty where nothing has."""
    retry_at: float | None = None
    """When the next socket is opened, in seconds since 1970; none, where one is open or opening, or none is planned."""
