"""Whatever form a secret has, a log line does not say it; and what is no secret stays to be read."""

import json
import logging
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.ids import random_letters
from provenance.core.masking import MASK, mask, mask_secrets, masked
from provenance.identity.schemas import ApiKey

SECRET = "hunter2-Zq8vXk3LmP0"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyXzAxIn0.c2lnbmF0dXJl-_AB"


class TestShapes:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("the key pv_ab12_0123456789abcdefXYZ is revoked", "the key pv_ab12_*** is revoked"),
            ("link #token=pvt_CLH6oVoENvF1CDBz1gOA9cpz", "link #token=***"),
            ("of pvr_CLH6oVoENvF1CDBz1gOA9cpz and", "of pvr_*** and"),
            (f"token {JWT} ran out", "token eyJ*** ran out"),
            ("signed with whsec_C2FVsBQIhrscChlQIMV", "signed with whsec_***"),
            ("openai said: sk-proj-abcdefgh12345", "openai said: sk-***"),
            ("Authorization: Bearer abcdefgh.ijkl", "Authorization: ***"),
            ("sent Bearer abcdefgh.ijkl on", "sent Bearer *** on"),
            ("sent Basic dXNlcjpwYXNz on", "sent Basic *** on"),
            ("postgresql://pv:p%40ss@db.example/pv?x=1", "postgresql://pv:***@db.example/pv?x=1"),
            ("smtp://u:p@ss@mail.example:587", "smtp://u:***@mail.example:587"),
            ("redis://:justapassword@cache:6379/0", "redis://:***@cache:6379/0"),
            ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END", "-----BEGIN PRIVATE KEY-----***-----END"),
        ],
    )
    def test_are_known(self, text: str, left: str) -> None:
        assert mask(text) == left

    @pytest.mark.parametrize(
        "form",
        [
            "password={}", "password = {}", "PASSWORD: {}", '"password": "{}"', "'password': '{}'", "smtp_password={}",
            "clientSecret={}", "client-secret: {}", "refreshToken={}&grant=x", "api_key={}", "apiKey: {}", "otp={},",
            "cookie: provenance_refresh={}; path=/", "?access_token={}#x", "secret => {}",
            '{{\\"password\\": \\"{}\\"}}', "tokens=['{}', '{}']", "recoveryCodes: ['{}']", "DSN={}",
        ],
    )  # fmt: skip
    def test_are_told_by_the_name_before_them(self, form: str) -> None:
        said = mask(form.replace("{}", SECRET).replace("{{", "{").replace("}}", "}"))
        assert SECRET not in said
        assert MASK in said

    @pytest.mark.parametrize("value", ["with spaces in it", 'quo\\"te-and-more', "co,mma;semi", "br)ack]et}"])
    def test_in_quotes_are_taken_whole(self, value: str) -> None:
        said = mask(f'{{"password": "{value}", "next": 1}}')
        assert said == '{"password": ***, "next": 1}'

    def test_of_our_own_are_all_known(self) -> None:
        for _ in range(50):
            key = ApiKey.random().text
            assert key.rsplit("_", 1)[1] not in mask(f"x {key} y")


class TestWhatStays:
    @pytest.mark.parametrize(
        "text",
        [
            "", "request", "/auth/password/reset", "GET /api/interactions?limit=5", "the token is not valid (any more)",
            "req_abcdefghijklmnopqrstuvwxyz", "key_01HXABCDEF", "http://localhost:7300/docs", "wf_01HX",
            "task-something-long-enough", "eyJjdXJzb3IiOjF9", "0a1b2c3d-0000-4000-8000-00000000000a",
            'File "/srv/provenance/identity/passwords/routes.py", line 7, in change', "passwords.change",
            "user@example.com",
        ],
    )  # fmt: skip
    def test_is_not_touched(self, text: str) -> None:
        assert mask(text) == text

    @given(st.text(max_size=200))
    def test_masking_twice_changes_nothing_more(self, text: str) -> None:
        once = mask(text)
        assert mask(once) == once


class TestLines:
    def test_a_name_hides_whatever_is_below_it(self) -> None:
        line = {"event": "x", "apiKey": "abc", "inner": {"token": ["a", 1], "path": "/p", "n": 3}, "bytes": b"pwd=abc"}
        assert mask_secrets(None, "info", line) == {
            "event": "x", "apiKey": MASK, "inner": {"token": MASK, "path": "/p", "n": 3}, "bytes": "pwd=***"
        }  # fmt: skip

    def test_values_of_any_kind_can_be_written(self) -> None:
        deep: Any = "end"
        for _ in range(20):
            deep = [deep]
        for value in (deep, {1: {2}}, object(), float("nan"), None, True, ValueError(f"password={SECRET}")):
            assert SECRET not in json.dumps(masked(value), default=repr)

    @given(st.recursive(st.none() | st.booleans() | st.text() | st.integers() | st.binary(), st.lists, max_leaves=20))
    def test_never_fails(self, value: Any) -> None:
        masked(value)


class TestCost:
    @pytest.mark.parametrize(
        "unit", ["eyJ-", "eyJ", "password=[", "password='", 'token="', "pv_", "://a:", "Bearer ", "secret =", "a"]
    )
    def test_grows_with_the_text_alone(self, unit: str) -> None:
        text = unit * (200_000 // len(unit))
        started = time.process_time()
        mask(text)
        assert time.process_time() - started < 5

    def test_a_usual_line_costs_microseconds(self) -> None:
        line = {
            "event": "request", "method": "GET", "path": "/api/interactions/0a1b2c3d", "status": 404, "millis": 1.2,
            "request_id": "req_" + random_letters(26).lower(), "actor": "key_01HX", "code": "not_found",
        }  # fmt: skip
        mask_secrets(None, "info", dict(line))
        started = time.process_time()
        for _ in range(1_000):
            mask_secrets(None, "info", dict(line))
        assert time.process_time() - started < 5, "a thousand lines"


PROGRAM = f"""
import logging, threading, structlog
from provenance.core import logs
from provenance.core.settings import Settings
logs.configure(Settings(database_url="postgresql://x/y", log_format=FORMAT), "serve")
structlog.get_logger("a").info("login", password="{SECRET}", url="smtp://u:{SECRET}@h", text="token={SECRET}")
logging.getLogger("library").warning("could not connect to %s", "postgresql://pv:{SECRET}@db/pv")
try:
    raise ValueError("secret={SECRET}")
except ValueError as error:
    structlog.get_logger("a").error("failed", exc_info=error)
    logging.getLogger("library").exception("failed")
thread = threading.Thread(target=lambda: int("Bearer {SECRET}"))
thread.start()
thread.join()
raise RuntimeError("api_key: {SECRET}")
"""


class TestAProcess:
    @pytest.mark.parametrize("form", ["json", "console"])
    def test_says_no_secret_whatever_way_it_writes(self, form: str) -> None:
        program = PROGRAM.replace("FORMAT", repr(form))
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60).stderr
        assert SECRET not in told
        assert told.count("could not connect to postgresql://pv:***@db/pv") == 1
        assert told.count("ValueError: secret=***") == 2
        assert "RuntimeError: api_key: ***" in told
        assert "invalid literal" in told

    def test_levels_are_as_before(self) -> None:
        assert logging.getLogger().level <= logging.WARNING
