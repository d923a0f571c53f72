"""Signatures without a server: published vectors, and a corpus of what differs by a hair."""

import base64
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.runs.webhooks.headers import readable
from provenance.runs.webhooks.schemes import PRESETS, Signed, genuine, standard_key

AT = 1_614_265_330
OWN, GITHUB, STRIPE, STANDARD = (PRESETS[name] for name in ("provenance", "github", "stripe", "standard"))


def request(body: bytes, now: float = AT, **headers: str) -> Signed:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Signed(named, body, now)


def hexed(secret: bytes, message: bytes) -> str:
    return hmac.new(secret, message, "sha256").hexdigest()


class TestPublishedVectors:
    def test_rfc_4231_in_our_own_header(self) -> None:
        found = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        asked = request(b"what do ya want for nothing?", x_provenanceone_signature=found)
        assert genuine(OWN, asked, [b"Jefe"], timestamped=False)

    def test_github(self) -> None:
        found = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        asked = request(b"Hello, World!", x_hub_signature_256=found)
        assert genuine(GITHUB, asked, [b"It's a Secret to Everybody"], timestamped=False)

    def test_standard_webhooks(self) -> None:
        asked = request(
            b'{"test": 2432232314}',
            webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            webhook_timestamp=str(AT),
            webhook_signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        )
        assert genuine(STANDARD, asked, [b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], timestamped=True)
        assert STANDARD.delivery(asked) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


class TestOwn:
    @pytest.mark.parametrize(
        "given",
        ["", "sha256=", "sha256=sha256={0}", "sha1={0}", " {0}", "{0}0", "{1}", "v1={0}", "\u00e9{0}", "0" * 64],
    )
    def test_what_is_no_signature(self, given: str) -> None:
        right = hexed(b"k", b"{}")
        asked = request(b"{}", x_provenanceone_signature=given.format(right, right[:-1]))
        assert not genuine(OWN, asked, [b"k"], timestamped=False)

    @given(st.binary(max_size=200), st.binary(min_size=1, max_size=80), st.integers(0, 10_000), st.integers(0, 255))
    @settings(max_examples=60, deadline=None)
    def test_any_other_byte_breaks_it(self, body: bytes, secret: bytes, at: int, byte: int) -> None:
        value = hexed(secret, body)
        assert genuine(OWN, request(body, x_provenanceone_signature=value), [b"old", secret], timestamped=False)
        other = body[: at % (len(body) + 1)] + bytes([byte]) + body[at % (len(body) + 1) + 1 :]
        asked = request(other, x_provenanceone_signature=value)
        assert genuine(OWN, asked, [secret], timestamped=False) == (other == body)
        asked = request(body, x_provenanceone_signature=value)
        assert not genuine(OWN, asked, [secret + b"x"], timestamped=False)
        assert not genuine(OWN, asked, [], timestamped=False)

    @pytest.mark.parametrize(
        ("off", "written", "good"),
        [(0, "{}", True), (300, "{}", True), (-300, "{}", True), (301, "{}", False), (-301, "{}", False)]
        + [(0, bad, False) for bad in ("+{}", "{}.0", " {}", "-{}", "", "\u0661", "9" * 13, "{}000")],
    )
    def test_a_time_that_is_sent(self, off: int, written: str, good: bool) -> None:
        at = written.format(AT + off)
        value = hexed(b"k", at.encode() + b".{}")
        asked = request(b"{}", x_provenanceone_signature=value, x_provenanceone_timestamp=at)
        assert genuine(OWN, asked, [b"k"], timestamped=True) == good
        assert genuine(OWN, asked, [b"k"], timestamped=False) == good


class TestGitHub:
    def test_it_has_no_time_to_insist_on(self) -> None:
        asked = request(b"{}", x_hub_signature_256="sha256=" + hexed(b"k", b"{}"), x_github_delivery="d")
        assert genuine(GITHUB, asked, [b"k"], timestamped=False)
        assert not genuine(GITHUB, asked, [b"k"], timestamped=True)
        assert GITHUB.delivery(asked) == "d"

    def test_the_prefix_belongs_to_it(self) -> None:
        assert not genuine(GITHUB, request(b"{}", x_hub_signature_256=hexed(b"k", b"{}")), [b"k"], timestamped=False)


class TestStripe:
    @pytest.mark.parametrize(
        ("header", "good"),
        [
            ("t={at},v1={v1}", True),
            ("t={at}, v1={wrong}, v1={v1}, v0=abc", True),
            ("t={at},v1={wrong}", False),
            ("t={at},v0={v1}", False),
            ("v1={v1}", False),
            ("t={old},v1={old_v1}", False),
            ("t={old},v1={v1}", False),
            ("", False),
            ("t=,v1=", False),
            (",,==,t", False),
        ],
    )
    def test_its_header(self, header: str, good: bool) -> None:
        v1, old_v1 = hexed(b"whsec_x", b"%d.{}" % AT), hexed(b"whsec_x", b"%d.{}" % (AT - 301))
        value = header.format(at=AT, old=AT - 301, v1=v1, old_v1=old_v1, wrong="0" * 64)
        asked = request(b"{}", stripe_signature=value)
        assert genuine(STRIPE, asked, [b"whsec_x"], timestamped=False) == good


class TestStandard:
    SECRET = b"whsec_" + base64.b64encode(b"x" * 24)

    def signed(self, key: bytes = b"x" * 24, *, at: str = str(AT), name: str = "msg_1") -> str:
        message = f"{name}.{at}.".encode() + b"{}"
        return "v1," + base64.b64encode(hmac.digest(key, message, "sha256")).decode()

    @pytest.mark.parametrize("before", ["", "v1,AAAA ", "v1a,AAAA "])
    def test_one_of_several_is_enough(self, before: str) -> None:
        asked = request(b"{}", webhook_id="msg_1", webhook_timestamp=str(AT), webhook_signature=before + self.signed())
        assert genuine(STANDARD, asked, [self.SECRET], timestamped=False)

    def test_the_headers_of_older_senders(self) -> None:
        asked = request(b"{}", svix_id="msg_1", svix_timestamp=str(AT), svix_signature=self.signed())
        assert genuine(STANDARD, asked, [self.SECRET], timestamped=False)
        assert STANDARD.delivery(asked) == "msg_1"
        mixed = request(b"{}", webhook_id="msg_1", svix_timestamp=str(AT), svix_signature=self.signed())
        assert not genuine(STANDARD, mixed, [self.SECRET], timestamped=False)

    @pytest.mark.parametrize(
        ("name", "at"), [("", str(AT)), ("msg_2", str(AT)), ("msg_1", str(AT - 301)), ("msg_1", "")]
    )
    def test_id_and_time_are_signed(self, name: str, at: str) -> None:
        asked = request(b"{}", webhook_id=name, webhook_timestamp=at, webhook_signature=self.signed())
        assert not genuine(STANDARD, asked, [self.SECRET], timestamped=False)

    def test_an_unnamed_or_old_message_is_refused_even_when_it_is_signed(self) -> None:
        for name, at in (("", str(AT)), ("msg_1", str(AT - 301))):
            value = self.signed(at=at, name=name)
            asked = request(b"{}", webhook_id=name, webhook_timestamp=at, webhook_signature=value)
            assert not genuine(STANDARD, asked, [self.SECRET], timestamped=False)

    def test_a_secret_that_is_no_base64_signs_nothing(self) -> None:
        assert standard_key(b"a secret with blanks") is None
        assert standard_key(b"whsec_") is None
        for key in (b"", b"a secret with blanks"):
            asked = request(b"{}", webhook_id="msg_1", webhook_timestamp=str(AT), webhook_signature=self.signed(key))
            assert not genuine(STANDARD, asked, [b"a secret with blanks"], timestamped=False)

    @given(st.binary(min_size=1, max_size=64))
    def test_both_alphabets_with_and_without_padding(self, key: bytes) -> None:
        for text in (base64.b64encode(key), base64.urlsafe_b64encode(key)):
            assert standard_key(b"whsec_" + text) == standard_key(text.rstrip(b"=")) == key


class TestHeaders:
    def test_only_so_many_and_so_long(self) -> None:
        many = {b"x-%d" % at: b"v" for at in range(100)}
        assert len(readable(many)) == 32
        assert readable({b"x-long": b"v" * 513, b"x-odd": b"\xff\0"}) == {"x-odd": "\ufffd"}

    def test_what_is_read_and_what_is_not(self) -> None:
        told = ("x-github-event", "ce-type", "webhook-id", "content-type", "user-agent", "traceparent")
        kept_back = (
            "authorization", "cookie", "x-api-key", "x-gitlab-token", "x-shop-hmac-sha256", "webhook-signature",
            "x-provenanceone-signature", "x-hub-signature-256", "x-forwarded-for", "x-real-ip", "host", "accept",
            "x-amz-security-token", "x-auth", "x-password",
        )  # fmt: skip
        found = readable({name.encode(): b"v" for name in (*told, *kept_back)})
        assert found.keys() == set(told)
