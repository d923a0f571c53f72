"""Alerts end to end: rows over HTTP, heard by number, time that passes, and what is on record of it."""

from tests.alerts.conftest import Place


class TestCount:
    async def test_fires_once_goes_on_and_recovers(self, place: Place) -> None:
        alert = await place.add(
            where={"resourceType": "account", "action": ["LOGIN"]},
            filter="outcome == 'failure'",
            groupBy="userId",
            window={"kind": "count", "atLeast": 3, "withinSeconds": 60},
            severity="high",
        )
        for _ in range(4):
            await place.post(userId="ada", outcome="failure")
            await place.post(userId="bob", outcome="success")
        await place.hear()
        [fired] = await place.told(alert)
        assert (fired["actionMnemonic"], fired["interaction"]["count"]) == ("FIRING", 3)
        await place.post(userId="ada", outcome="failure")
        await place.later(100)
        assert len(await place.told(alert)) == 1
        await place.later(130)
        [_, recovered] = await place.told(alert)
        assert recovered["actionMnemonic"] == "RECOVERED"
        assert (await place.get(alert))["groups"] == 0
