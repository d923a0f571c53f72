"""What becomes of one attempt of a step: it is done, it failed, or it waits."""

from typing import Any, Literal

import msgspec

from provenance.engine.schemas import WaitKind

Gate = Literal["approval", "unknown"]


class Done(msgspec.Struct, frozen=True):
    """It has an output. ``choice`` is the case that a logic step took; ``rejected`` that people said no."""

    output: Any
    choice: str | None = None
    rejected: bool = False
    logs: list[dict[str, Any]] = []
    usage: dict[str, Any] | None = None


class Failed(msgspec.Struct, frozen=True):
    """It has none. ``unknown``: an effect was begun and nobody knows whether it happened.

    ``code`` is a stable snake-case word: what `retryOn` names, such as timeout, rate_limited, unavailable.
    ``detail`` goes into the step's error beside code and message.
    """

    code: str
    message: str
    unknown: bool = False
    logs: list[dict[str, Any]] = []
    detail: dict[str, Any] = {}

    def error(self, *, retryable: bool = False) -> dict[str, Any]:
        """Return the error as steps and runs show it."""
        return {"code": self.code, "message": self.message, "retryable": retryable, **self.detail}


class Park(msgspec.Struct, frozen=True):
    """It waits: for somebody's act, or for ``seconds``, or for whichever comes first.

    ``asks`` is handed to the gate that makes a request for people of it.
    """

    kind: WaitKind
    seconds: float | None = None
    ref: str | None = None
    asks: dict[str, Any] | None = None


Result = Done | Failed | Park
