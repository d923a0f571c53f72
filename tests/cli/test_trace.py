import json

import httpx

from tests.cli.process import Person
from tests.cli.test_search import record

UOW = "7b1f6a1e-0d1c-4b7a-9a37-3f6f4b6f2d11"
SPANS = [f"00000000-0000-4000-8000-00000000000{digit}" for digit in range(4)]


async def shop(client: httpx.AsyncClient) -> None:
    """An order that pays and ships inside one unit of work, and something whose parent nobody recorded."""
    steps = [
        ("order-1", "ORDER", SPANS[0], None),
        ("pay-1", "PAYMENT", SPANS[1], SPANS[0]),
        ("ship-1", "SHIPMENT", SPANS[2], SPANS[1]),
    ]
    for resource, kind, span, parent in [
        *steps,
        ("mail-1", "MAIL", SPANS[3], "00000000-0000-4000-8000-0000000000ff"),
    ]:
        headers = {"x-uowid": UOW, "x-span-id": span, **({"x-parent-span-id": parent} if parent else {})}
        await record(client, resourceId=resource, resourceType=kind, headers=headers)


class TestTrace:
    async def test_the_line_of_the_guide(self, person: Person, client: httpx.AsyncClient) -> None:
        await record(client, headers={"x-uowid": UOW})
        await record(client, resourceId="order-1", resourceType="ORDER", headers={"x-uowid": UOW})

        shown = await person.get("trace", "user-123")

        assert shown.startswith("Resource user-123: 2 interactions on 2 resources in ")
        assert shown.index("user-123", 20) < shown.index("order-1")

    async def test_the_tree_nests_by_parent_span(self, person: Person, client: httpx.AsyncClient) -> None:
        await shop(client)

        lines = (await person.get("trace", UOW, "--tree")).splitlines()

        assert lines[0].startswith(f"Unit of work {UOW}: 4 interactions on 4 resources")
        depth = {
            word: line.index("#") for line in lines for word in ("order-1", "pay-1", "ship-1", "mail-1") if word in line
        }
        assert depth["order-1"] < depth["pay-1"] < depth["ship-1"]
        assert depth["mail-1"] == depth["order-1"]
        assert "is not recorded" in next(line for line in lines if "mail-1" in line)

    async def test_json_is_the_wires_form(self, person: Person, client: httpx.AsyncClient) -> None:
        await shop(client)

        found = json.loads(await person.get("trace", "order-1", "--json"))

        assert (found["id"], found["summary"]["totalInteractions"]) == ("order-1", 4)

    async def test_what_is_unknown_is_refused(self, person: Person) -> None:
        done = await person.run("trace", "nobody")

        assert (done.returncode, done.stdout) == (1, "")
