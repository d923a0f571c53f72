"""Objects over HTTP: written, listed, read and deleted, over a folder and over S3."""

from tests.datastores.conftest import Api, hexed


class TestRoundTrip:
    async def test_what_was_sent_is_read(self, api: Api) -> None:
        content = b"month,total\n5,750\n"
        sent = await api.put("reports/2026-05.csv", content, contentType="text/csv", sha256=hexed(content))
        assert sent.status_code == 200, sent.text
        got = await api.get("reports/2026-05.csv")
        assert (got.status_code, got.content) == (200, content)
        assert got.headers["content-type"] == "text/csv"
        assert got.headers["etag"] == f'"{hexed(content)}"'
