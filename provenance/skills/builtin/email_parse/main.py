"""Reads an e-mail message: who wrote what to whom, and what is attached."""

import base64
from email import message_from_string, policy
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime


def run(input: dict) -> dict:
    """Read the message."""
    message = message_from_string(input["message"], policy=policy.default)
    return {
        "from": addresses(message, "from"),
        "to": addresses(message, "to"),
        "cc": addresses(message, "cc"),
        "replyTo": addresses(message, "reply-to"),
        "subject": str(message.get("subject", "")),
        "messageId": str(message.get("message-id", "")).strip() or None,
        "inReplyTo": str(message.get("in-reply-to", "")).strip() or None,
        "date": date_of(message),
        "text": text_of(message, "plain"),
        "html": text_of(message, "html"),
        "attachments": [attachment(part, input.get("attachments", False)) for part in message.iter_attachments()],
    }


def addresses(message: EmailMessage, name: str) -> list[dict]:
    """Return the addresses of a header."""
    found = getaddresses([str(each) for each in message.get_all(name, [])])
    return [{"name": shown or None, "address": address} for shown, address in found if address]


def date_of(message: EmailMessage) -> str | None:
    """Return when it was written, in ISO 8601; null when the header is missing or can't be read."""
    try:
        return parsedate_to_datetime(str(message["date"])).isoformat()
    except (TypeError, ValueError):
        return None


def text_of(message: EmailMessage, kind: str) -> str | None:
    """Return the text of a kind, decoded; null when there is none."""
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return part.get_content().replace("\r\n", "\n")
    except LookupError:  # a character set that nobody knows
        return part.get_payload(decode=True).decode("utf-8", "replace")


def attachment(part: EmailMessage, whole: bool) -> dict:
    """Return an attachment's name, type and size, and where asked for what is in it."""
    content = part.get_payload(decode=True) or b""
    found = {"fileName": part.get_filename(), "contentType": part.get_content_type(), "sizeBytes": len(content)}
    return {**found, "base64": base64.b64encode(content).decode()} if whole else found
