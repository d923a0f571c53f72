"""Topics and subjects, one of the other; nkeys as servers know them."""

import base64
import binascii

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.bus.bridges.credentials import private_key, public_nkey, sign_in
from provenance.bus.bridges.errors import BridgeFailed, NotMappable
from provenance.bus.bridges.mapping import is_subject, is_subject_filter, subject_of, topic_of
from provenance.bus.bridges.schemas import Credentials
from tests.bus.bridges.nkeys import seed_of

PARTS = st.lists(st.text("Aaz09_-", min_size=1, max_size=8), min_size=1, max_size=8)
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class TestMapping:
    @few
    @given(PARTS)
    def test_whole_names_come_back(self, parts: list[str]) -> None:
        topic = "/".join(parts)
        assert subject_of("x.{1..}", topic) == "x." + ".".join(parts)
        assert topic_of("{2..}", subject_of("x.{1..}", topic)) == topic

    @few
    @given(st.text("a1{}./$*> ü", max_size=12), st.text("ab./", max_size=12))
    def test_nothing_but_topics_and_subjects_is_made(self, template: str, text: str) -> None:
        for make in (subject_of, topic_of):
            try:
                made = make(template, text)
            except NotMappable:
                continue
            assert made

    @pytest.mark.parametrize(
        ("template", "subject", "topic"),
        [
            ("shop/{2}/{1}", "orders.eu", "shop/eu/orders"),
            ("{2..}", "orders.eu.created", "eu/created"),
            ("fixed", "orders.eu", "fixed"),
        ],
    )
    def test_parts_have_their_places(self, template: str, subject: str, topic: str) -> None:
        assert topic_of(template, subject) == topic

    @pytest.mark.parametrize("template", ["{3}", "{0}", "{9..}"])
    def test_parts_that_are_not_there(self, template: str) -> None:
        with pytest.raises(NotMappable):
            topic_of(template, "orders.eu")

    @pytest.mark.parametrize("text", ["", "a..b", "a b", "a.*", "a.>", "$SYS.x", "_INBOX.x", ".a", "a.", "ü"])
    def test_no_subjects(self, text: str) -> None:
        assert not is_subject(text)

    @pytest.mark.parametrize("text", ["a.*.b", ">", "a.>", "*"])
    def test_filters(self, text: str) -> None:
        assert is_subject_filter(text)
        assert not is_subject(text)

    @pytest.mark.parametrize("text", ["a.>.b", "a.b*", "", "a b", "$JS.>"])
    def test_no_filters(self, text: str) -> None:
        assert not is_subject_filter(text)


class TestNkeys:
    @few
    @given(st.binary(min_size=32, max_size=32))
    def test_a_seed_is_read(self, raw: bytes) -> None:
        key = private_key(seed_of(raw))
        assert key.private_bytes_raw() == raw
        read = base64.b32decode(public_nkey(key))
        assert binascii.crc_hqx(read[:-2], 0) == int.from_bytes(read[-2:], "little")
        assert read[1:-2] == key.public_key().public_bytes_raw()

    def test_a_damaged_seed_is_refused(self) -> None:
        seed = seed_of(b"k" * 32)
        damaged = seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:]
        with pytest.raises(BridgeFailed, match="checksum"):
            private_key(damaged)

    @pytest.mark.parametrize(("kind", "secret"), [("nkey", "no seed"), ("creds", seed_of(b"k" * 32))])
    def test_a_secret_of_another_kind_is_refused(self, kind: str, secret: str) -> None:
        with pytest.raises(BridgeFailed):
            sign_in(Credentials.model_validate({"kind": kind, "secretId": "x"}), secret)
