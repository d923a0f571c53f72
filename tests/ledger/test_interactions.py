import httpx


class TestCreate:
    async def test_a_first_interaction_reads_back_with_its_words(self, client: httpx.AsyncClient) -> None:
        sent = {
            "resourceId": "user-123",
            "resourceType": "USER",
            "action": "CREATE",
            "origin": "WEBAPP",
            "interaction": {"email": "user@example.com", "plan": "starter"},
        }
        answer = await client.post("/api/interactions", json=sent)
        assert answer.status_code == 201, answer.text
        row = answer.json()
        assert row["interactionNumber"] == 1
        assert row["resourceTypeMnemonic"] == "USER"
        assert row["interaction"] == sent["interaction"]
        assert row["proof"] == {"leafIndex": 0, "integrated": False}
