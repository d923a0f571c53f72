"""Kind `notify`: tells people by mail, by a signed webhook, or in a channel of Slack (spec/automation.md, 6.1).

A message that is told again after a lost worker has the same Message-ID, and the same delivery name, so that whoever
gets it twice can tell.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from provenance.core.addresses import EgressError
from provenance.core.clock import iso_millis, now_ns
from provenance.core.egress import Reply
from provenance.core.errors import Problem
from provenance.notifications.mailing import Courier, MailRefused, MailUncertain
from provenance.notifications.slack import escaped
from provenance.runs.doers.contract import Call
from provenance.runs.doers.credentials import Credentials, Sent
from provenance.runs.doers.http import failure_of, outcome_of
from provenance.runs.events import wire_id, workflow_wire_id
from provenance.runs.interpreting.results import Done, Failed, Park, Result
from provenance.streams.targets.webhook import signed_headers

SLACK_MESSAGE = "chat.postMessage"
_JSON = "application/json"

_Told = dict[str, Any]


class Notify:
    """Tells the channels one after the other; the first that fails ends it, and its error says which were told."""

    def __init__(self, courier: Courier, credentials: Credentials) -> None:
        """Take the way to the mail server, and the way out for the rest."""
        self._courier = courier
        self._credentials = credentials
        self._tell: dict[str, Callable[[Call], Awaitable[_Told | Failed]]] = {
            "email": self._mail,
            "webhook": self._post,
            "slack": self._slack,
        }

    def waits(self, call: Call) -> Park | None:
        """A message is waited for on the spot."""
        return None

    def resume(self, call: Call, outcome: Any) -> Result:
        """No wait of it is ever opened."""
        raise AssertionError("a message never parks")

    async def perform(self, call: Call) -> Result:
        """Tell each channel."""
        told: list[_Told] = []
        for channel in call.config["channels"]:
            try:
                found = await self._tell[channel](call)
            except (EgressError, Problem) as error:
                found = failure_of(error)
            if isinstance(found, Failed):
                return msgspec.structs.replace(found, detail={**found.detail, "channel": channel, "told": told})
            told.append({"channel": channel, **found})
        return Done({"told": told})

    async def _mail(self, call: Call) -> _Told | Failed:
        to = [str(each).strip() for each in call.config.get("to", ())]
        if bad := [each for each in to if "@" not in each or any(sign.isspace() for sign in each)]:
            return Failed("bad_address", f"{bad[0]!r} is no e-mail address.")
        name = f"notify.{call.run_id}.{call.step.key}.{call.iteration}"
        letter = self._courier.letter(to, _text(call, "title"), _text(call, "body") + "\n", message_id=name)
        try:
            await self._courier.hand_over(letter, to)
        except MailRefused as error:
            return Failed("mail_refused", str(error))
        except MailUncertain as error:
            return Failed("unavailable", str(error), unknown=True)
        return {"to": to}

    async def _post(self, call: Call) -> _Told | Failed:
        body = msgspec.json.encode(
            {
                "title": _text(call, "title"),
                "body": _text(call, "body"),
                "runId": wire_id(call.run_id),
                "workflowId": workflow_wire_id(call.workflow_id),
                "stepKey": call.step.key,
                "at": iso_millis(now_ns()),
            }
        )
        headers = {"content-type": _JSON, "x-provenanceone-delivery": call.idempotency_key}
        if "secretId" in call.config:
            used = await self._credentials.secret(call)
            headers = signed_headers(used.text, body, call.idempotency_key, _JSON)
        sent = Sent("POST", str(call.config["url"]), {**headers, **call.trace}, body)
        answer = await self._credentials.send(_without(call, "secretId", "connectionId"), sent)
        return _told(answer, {"status": answer.status})

    async def _slack(self, call: Call) -> _Told | Failed:
        title, text = escaped(_text(call, "title")), escaped(_text(call, "body"))
        channel = str(call.config["slackChannel"])
        body = msgspec.json.encode({"channel": channel, "text": f"*{title}*\n{text}" if text else title})
        headers = {"content-type": f"{_JSON}; charset=utf-8"}
        answer = await self._credentials.send(_without(call, "secretId"), Sent("POST", SLACK_MESSAGE, headers, body))
        found = _told(answer, {"slackChannel": channel})
        if isinstance(found, Failed):
            return found
        said = outcome_of(answer)
        assert isinstance(said, Done), "an answer below 400 is an outcome"
        if not (isinstance(said.output["body"], dict) and said.output["body"].get("ok")):
            return Failed("refused_by_target", "Slack did not take the message.", detail={"body": said.output["body"]})
        return found


def _without(call: Call, *members: str) -> Call:
    """Return a call without members of its configuration that are another channel's."""
    config = {name: value for name, value in call.config.items() if name not in members}
    return msgspec.structs.replace(call, config=config)


def _told(answer: Reply, found: _Told) -> _Told | Failed:
    result = outcome_of(answer)
    return result if isinstance(result, Failed) else found


def _text(call: Call, member: str) -> str:
    """Return a text of the configuration; one that was a single expression may have given anything."""
    value = call.config.get(member, "")
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
