"""Tests of http_request: nothing is sent, the way out is stood in for."""

import unittest
from unittest import mock

import main
from provenance_skill import Failed, Response


def answering(status: int, body: bytes = b"", **headers: str) -> mock.Mock:
    """Stand in for the way out with one answer."""
    return mock.Mock(
        return_value=Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    )


class HttpRequest(unittest.TestCase):
    """What is sent, and what an answer becomes."""

    def test_json_is_parsed(self) -> None:
        """A JSON answer is returned as JSON."""
        with mock.patch.object(main, "request", answering(200, b'{"a": 1}', content_type="application/json")) as sent:
            found = main.run({"url": "/items", "query": {"q": "a b", "all": True}})
        self.assertEqual(found["body"], {"a": 1})
        self.assertEqual(sent.call_args.args, ("GET", "/items?q=a+b&all=true"))

    def test_a_body_that_only_claims_to_be_json_is_a_text(self) -> None:
        """What can't be parsed stays a text."""
        with mock.patch.object(main, "request", answering(200, b"<p>", content_type="application/json")):
            self.assertEqual(main.run({"url": "/"})["body"], "<p>")

    def test_failures_carry_codes_to_retry_on(self) -> None:
        """Each kind of failure has its code."""
        for status, code in ((429, "rate_limited"), (503, "unavailable"), (404, "refused_by_target")):
            with mock.patch.object(main, "request", answering(status)), self.assertRaises(Failed) as raised:
                main.run({"url": "/"})
            self.assertEqual(raised.exception.code, code)

    def test_a_status_can_be_expected(self) -> None:
        """A status that was named is no failure."""
        with mock.patch.object(main, "request", answering(404)):
            self.assertEqual(main.run({"url": "/", "expectStatus": [200, 404]})["status"], 404)

    def test_a_change_carries_the_idempotency_key(self) -> None:
        """Targets that honour the key act once."""
        with (
            mock.patch.object(main, "request", answering(201)) as sent,
            mock.patch.object(main, "idempotency_key", "k"),
        ):
            main.run({"method": "POST", "url": "/", "json": {}})
        self.assertEqual(sent.call_args.kwargs["headers"], {"Idempotency-Key": "k"})
