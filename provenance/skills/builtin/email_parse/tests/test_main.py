"""Tests of email_parse."""

import base64
import unittest
from email.message import EmailMessage

from main import run


def written() -> EmailMessage:
    """Write a message with everything in it."""
    message = EmailMessage()
    message["From"] = "Zoë <zoe@example.com>"
    message["To"] = "a@example.com, B <b@example.com>"
    message["Subject"] = "Grüße"
    message["Date"] = "Sun, 22 Nov 2026 05:26:00 +0100"
    message.set_content("Hällo\n")
    message.add_alternative("<p>Hällo</p>", subtype="html")
    message.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream", filename="a.bin")
    return message


class EmailParse(unittest.TestCase):
    """Messages as they come."""

    def test_a_whole_message(self) -> None:
        """Addresses, texts and attachments are found."""
        found = run({"message": written().as_string(), "attachments": True})
        self.assertEqual(found["from"], [{"name": "Zoë", "address": "zoe@example.com"}])
        self.assertEqual([each["address"] for each in found["to"]], ["a@example.com", "b@example.com"])
        self.assertEqual((found["subject"], found["text"].strip()), ("Grüße", "Hällo"))
        self.assertEqual(found["html"].strip(), "<p>Hällo</p>")
        self.assertEqual(found["date"], "2026-11-22T05:26:00+01:00")
        self.assertEqual(base64.b64decode(found["attachments"][0]["base64"]), b"\x00\x01")
        self.assertEqual(found["attachments"][0]["fileName"], "a.bin")

    def test_what_is_attached_is_left_out_unless_asked_for(self) -> None:
        """Names and sizes alone."""
        self.assertEqual(
            run({"message": written().as_string()})["attachments"],
            [{"fileName": "a.bin", "contentType": "application/octet-stream", "sizeBytes": 2}],
        )
