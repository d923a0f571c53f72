"""Requests are signed as the examples of AWS's own test suite for Signature Version 4 are."""

from datetime import UTC, datetime

import pytest
from yarl import URL

from provenance.core.sigv4 import Credentials, Signer

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
FORM = {"content-type": "application/x-www-form-urlencoded"}
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "headers", "body", "names", "signature"),
    [
        ("GET", {}, b"", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", {}, b"", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "POST",
            FORM,
            b"Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "post-x-www-form-urlencoded"],
)
def test_aws_examples(method: str, headers: dict[str, str], body: bytes, names: str, signature: str) -> None:
    signer = Signer(Credentials("AKIDEXAMPLE", SECRET), "us-east-1", "service")
    signed = signer.signed(method, URL("https://example.amazonaws.com/"), headers, body, AT)
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    assert signed["x-amz-date"] == "20150830T123600Z"


def test_a_session_token_is_signed_and_nothing_secret_is_shown() -> None:
    signer = Signer(Credentials("AKIDEXAMPLE", SECRET, "the-session-token"), "us-east-1", "service")
    signed = signer.signed("POST", URL("http://127.0.0.1:8080/"), {}, b"", AT)
    assert (signed["host"], signed["x-amz-security-token"]) == ("127.0.0.1:8080", "the-session-token")
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in signed["authorization"]
    assert SECRET not in repr(signer)
    assert "the-session-token" not in repr(signer)
