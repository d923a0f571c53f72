"""`provenance bus`: publish and pull messages, see subscriptions and what they did not get."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.bridges import group as bridges
from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused
from provenance.cli.people import AsJson, ask, at, everything, show

if TYPE_CHECKING:
    from provenance_client import Client

MESSAGES, SUBSCRIPTIONS, DEAD_LETTERS = "/bus/messages", "/bus/subscriptions", "/bus/dead-letters"
WAIT_SECONDS = 20
PULLED_AT_ONCE = 100
SUBSCRIPTION = {
    "Subscription": "subscriptionId",
    "Name": "name",
    "Topics": "topicPattern",
    "Goes to": "kind",
    "Status": "status",
    "Open": "open",
    "Delivered": "delivered",
    "Dead": "deadLettered",
    "Said last": "said",
}
DEAD_LETTER = {
    "Message": "msgId",
    "Subscription": "subscriptionId",
    "Topic": "topic",
    "Attempts": "attempts",
    "Since": "deadAt",
    "Said last": "said",
}

SubscriptionId = Annotated[str, typer.Argument(metavar="SUBSCRIPTION_ID", help="From `bus subscriptions list`.")]
Body = Annotated[str, typer.Argument(metavar="FILE", help="A JSON file; - reads stdin.")]

group = typer.Typer(no_args_is_help=True)
subscriptions = typer.Typer(no_args_is_help=True)
dead_letters = typer.Typer(no_args_is_help=True)
group.add_typer(
    subscriptions, name="subscriptions", help="Who gets which messages: list, show, create, delete, replay."
)
group.add_typer(dead_letters, name="dead-letters", help="Messages that were given up: list, redrive.")
group.add_typer(bridges, name="bridges", help="To and from NATS JetStream: list, add, show, rm, pause, resume, replay.")


def register(app: typer.Typer) -> None:
    """Add the group `bus` to the command line."""
    app.add_typer(group, name="bus", help="Messages by topic: publish, pull, subscriptions, dead letters.")


@group.command("publish")
def publish(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="Such as orders/created.")],
    payload: Annotated[str, typer.Argument(metavar="JSON|@FILE", help="What is published; @- reads stdin.")] = "null",
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Messages of one key keep their order.")
    ] = None,
    correlation: Annotated[str | None, typer.Option("--correlation", metavar="ID", help="What it belongs to.")] = None,
    ttl: Annotated[int | None, typer.Option("--ttl", metavar="SECONDS", min=1, help="How long it is of use.")] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Publish a message."""
    from provenance.cli import terminal

    body: dict[str, Any] = {"topic": topic, "payload": _given(payload)}
    for name, value in (("topicKey", key), ("correlationId", correlation), ("ttlSeconds", ttl)):
        if value is not None:
            body[name] = value
    with connected(settled(api_url, api_key)) as client:
        made = ask(client, "POST", MESSAGES, body)
    if as_json:
        terminal.print_json(made)
    else:
        terminal.say(f"{made['msgId']} is published; {made['matchedSubscriptions']} subscriptions get it.")


@group.command("pull")
def pull(
    subscription_id: SubscriptionId,
    most: Annotated[int, typer.Option("--max", "-n", min=1, max=10_000, help="How many at most.")] = 10,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for one.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Don't acknowledge: they come again when the lease ends.")
    ] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Take messages of a queue, print each as a line of JSON, and acknowledge what was printed."""
    with connected(settled(api_url, api_key)) as client:
        for batch in _batches(client, subscription_id, most, wait):
            for leased in batch:
                print(json.dumps(leased["message"] if not keep else leased, ensure_ascii=False), flush=True)
            if not keep:
                receipts = [leased["receipt"] for leased in batch]
                ask(client, "POST", f"{at(SUBSCRIPTIONS, subscription_id)}/ack", {"receipts": receipts})


@subscriptions.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List the workspace's subscriptions and how each is doing."""
    with connected(settled(api_url, api_key)) as client:
        found = everything(client, SUBSCRIPTIONS)
    show(found if as_json else [_row(each) for each in found], SUBSCRIPTION, as_json=as_json)


@subscriptions.command("show")
def show_(subscription_id: SubscriptionId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print one subscription as JSON, without its secrets."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        terminal.print_json(ask(client, "GET", at(SUBSCRIPTIONS, subscription_id)))


@subscriptions.command("create")
def create(body: Body, as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Make a subscription; a signing secret is printed this once."""
    from provenance.cli import terminal

    wanted = _given(f"@{body}")
    with connected(settled(api_url, api_key)) as client:
        made = ask(client, "POST", SUBSCRIPTIONS, wanted)
    if as_json:
        terminal.print_json(made)
        return
    terminal.say(f"{made['subscriptionId']} ({made['name']}) is set up.")
    if made["signingSecret"]:
        terminal.say(f"It is signed with {made['signingSecret']}, which is not shown again.")


@subscriptions.command("delete")
def delete(subscription_id: SubscriptionId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Delete a subscription, with what was on its way to it."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        ask(client, "DELETE", at(SUBSCRIPTIONS, subscription_id))
    terminal.say(f"{subscription_id} is deleted.")


@subscriptions.command("replay")
def replay(
    subscription_id: SubscriptionId,
    from_number: Annotated[int, typer.Option("--from", metavar="NUMBER", min=1, help="The first number to repeat.")],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Deliver messages again, from a number of the ledger on."""
    from provenance.cli import terminal

    count = 0
    following: int | None = from_number
    with connected(settled(api_url, api_key)) as client:
        while following is not None:
            asked = {"fromNumber": following}
            found = ask(client, "POST", f"{at(SUBSCRIPTIONS, subscription_id)}/replay", asked)
            count, following = count + found["replayed"], found["nextNumber"]
    terminal.say(f"{count} messages are delivered again.")


@dead_letters.command("list")
def list_dead(
    subscription: Annotated[str | None, typer.Option("--subscription", metavar="ID", help="Of this one.")] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List messages that were given up, newest first, and what their targets said."""
    with connected(settled(api_url, api_key)) as client:
        found = everything(client, DEAD_LETTERS)
    found = [each for each in found if subscription in (None, each["subscriptionId"])]
    rows = found if as_json else [{**each, "topic": each["message"]["topic"]} for each in found]
    show(rows, DEAD_LETTER, as_json=as_json)


@dead_letters.command("redrive")
def redrive(
    msg_id: Annotated[str, typer.Argument(metavar="MSG_ID", help="Such as msg_…, from `bus dead-letters list`.")],
    subscription: Annotated[str | None, typer.Option("--subscription", metavar="ID", help="For this one only.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Try a message again, with all its attempts."""
    from provenance.cli import terminal

    body = {} if subscription is None else {"subscriptionId": subscription}
    with connected(settled(api_url, api_key)) as client:
        found = ask(client, "POST", f"{at(DEAD_LETTERS, msg_id)}/redrive", body)
    terminal.say(f"{msg_id} is tried again for {found['redriven']} subscriptions.")


def _batches(client: "Client", subscription_id: str, most: int, wait: float) -> Iterator[list[dict[str, Any]]]:
    left, waited = most, 0.0
    while left > 0:
        seconds = min(WAIT_SECONDS, max(0.0, wait - waited))
        asked = {"max": min(left, PULLED_AT_ONCE), "waitSeconds": seconds}
        found = ask(client, "POST", f"{at(SUBSCRIPTIONS, subscription_id)}/pull", asked)["items"]
        waited += seconds
        if found:
            left -= len(found)
            yield found
        elif waited >= wait:
            return


def _given(text: str) -> Any:
    """Read JSON as it was typed, or from the file after an @."""
    if text.startswith("@"):
        text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text("utf-8")
    try:
        return json.loads(text)
    except ValueError as error:
        raise Misused(f"This is no JSON: {error}") from None


def _row(subscription: dict[str, Any]) -> dict[str, Any]:
    kind = (subscription["target"] or {"kind": "inbound"})["kind"]
    nothing = {"open": None, "delivered": None, "deadLettered": None, "said": None}
    inbound = subscription["inbound"] or {}
    pattern = subscription["topicPattern"] or inbound.get("topic")
    return {**subscription, **nothing, **(subscription["stats"] or {}), "kind": kind, "topicPattern": pattern}
