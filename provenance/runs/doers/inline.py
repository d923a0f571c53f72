"""Kinds that stay inside the run: trigger, logic, wait, approval."""

from datetime import UTC, datetime
from typing import Any

from provenance.core.clock import iso_millis, now_ns, parse_iso
from provenance.engine.schemas import WaitKind
from provenance.runs.doers.contract import Call
from provenance.runs.interpreting.results import Done, Failed, Park, Result

_LONGEST_SECONDS = 366 * 24 * 3600.0


class _NeverWaits:
    def resume(self, call: Call, outcome: Any) -> Result:
        """No wait of it is ever opened."""
        raise AssertionError(f"{call.step.kind} never waits")


class Trigger(_NeverWaits):
    """Where the run begins: its output is the run's input."""

    def decide(self, call: Call) -> Result:
        """Hand the input on."""
        return Done(call.input)


class Logic(_NeverWaits):
    """The first case that is true, or the default; a transform makes a value."""

    def decide(self, call: Call) -> Result:
        """Choose a case, handing the input on, or make the value."""
        if call.config["mode"] == "transform":
            return Done(call.config["transform"])
        for number, case in enumerate(call.config.get("cases", ())):
            if call.holds(f"cases[{number}].when"):
                return Done(call.input, choice=case["name"])
        return Done(call.input, choice=call.config.get("default"))


class Wait:
    """A pause, for a time or until a moment."""

    def decide(self, call: Call) -> Result:
        """Park for as long as it says; a moment that has passed is no pause."""
        if "seconds" in call.config:
            seconds = float(call.config["seconds"])
        else:
            try:
                seconds = (parse_iso(str(call.config["until"])) - now_ns()) / 1e9
            except ValueError as error:
                return Failed("invalid_moment", f"until {error}.")
        if seconds > _LONGEST_SECONDS:
            return Failed("invalid_moment", "A pause lasts a year at most.")
        return Park(WaitKind.TIMER, max(0.0, seconds))

    def resume(self, call: Call, outcome: Any) -> Result:
        """Its time came."""
        return Done({"resumedAt": iso_millis(now_ns())})


class Approval:
    """People decide. What is asked of them is made by the gate that the run was given."""

    def decide(self, call: Call) -> Result:
        """Park until people decide, or until it expires."""
        minutes = call.config.get("expiresMinutes")
        asks = {"payload": call.input, **call.config}
        return Park(WaitKind.APPROVAL, None if minutes is None else minutes * 60.0, asks=asks)

    def resume(self, call: Call, outcome: Any) -> Result:
        """Go on with what they decided; one that expired counts as rejected."""
        decided = outcome or {"decision": "expired", "payload": None, "decidedAt": datetime.now(UTC).isoformat()}
        output = {name: decided.get(name) for name in ("decision", "payload", "decidedBy", "decidedAt", "comment")}
        output["edited"] = bool(decided.get("edited"))
        return Done(output, rejected=decided["decision"] != "approved")
