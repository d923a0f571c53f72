"""A stand-in for AWS KMS: it verifies every signature by itself, and encrypts with the context as what is bound."""

import base64
import hmac
import json
import os
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ACCESS_KEY_ID, KEY_ID, REGION = "AKIAIOSFODNN7EXAMPLE", "1234abcd-12ab-34cd-56ef-1234567890ab", "eu-central-1"
ARN = f"arn:aws:kms:{REGION}:111122223333:key/{KEY_ID}"
_FIVE_MINUTES = 300


class Kms:
    """One symmetric key and the materials it has had; one access key that may use it, maybe a temporary one."""

    def __init__(self) -> None:
        self.secret_access_key = base64.b64encode(os.urandom(30)).decode()
        self.session_token: str | None = None
        self.materials = [os.urandom(32)]
        self.refusal: tuple[int, str] | None = None
        self.asked: list[tuple[str, Any]] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def rotate(self) -> None:
        """What RotateKeyOnDemand does: new material, and the old one still opens."""
        self.materials.append(os.urandom(32))

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        refused = self._unsigned(request, body) or self.refusal
        if refused is not None:
            status, kind = refused
            return _json({"__type": kind, "message": f"said of {dict(request.headers)}"}, status)
        word, _, verb = request.headers["X-Amz-Target"].partition(".")
        assert (word, request.content_type) == ("TrentService", "application/x-amz-json-1.1")
        asked = json.loads(body)
        self.asked.append((verb, asked.get("EncryptionContext")))
        if any(asked[name] not in (KEY_ID, ARN) for name in asked if name.endswith("KeyId")):
            return _json({"__type": "NotFoundException", "message": "no key"}, 400)
        try:
            return _json({"KeyId": ARN, **getattr(self, f"_{verb.lower()}")(asked)}, 200)
        except InvalidTag:
            return _json({"__type": "InvalidCiphertextException"}, 400)

    def _encrypt(self, asked: dict[str, Any]) -> dict[str, str]:
        sealed = self._sealed(base64.b64decode(asked["Plaintext"], validate=True), asked["EncryptionContext"])
        return {"CiphertextBlob": base64.b64encode(sealed).decode()}

    def _decrypt(self, asked: dict[str, Any]) -> dict[str, str]:
        return {"Plaintext": base64.b64encode(self._opened(asked, asked["EncryptionContext"])).decode()}

    def _reencrypt(self, asked: dict[str, Any]) -> dict[str, str]:
        opened = self._opened(asked, asked["SourceEncryptionContext"])
        sealed = self._sealed(opened, asked["DestinationEncryptionContext"])
        return {"CiphertextBlob": base64.b64encode(sealed).decode()}

    def _sealed(self, plaintext: bytes, context: dict[str, str]) -> bytes:
        nonce = os.urandom(12)
        return (
            bytes([len(self.materials)]) + nonce + AESGCM(self.materials[-1]).encrypt(nonce, plaintext, _bound(context))
        )

    def _opened(self, asked: dict[str, Any], context: dict[str, str]) -> bytes:
        blob = base64.b64decode(asked["CiphertextBlob"], validate=True)
        return AESGCM(self.materials[blob[0] - 1]).decrypt(blob[1:13], blob[13:], _bound(context))

    def _unsigned(self, request: web.Request, body: bytes) -> tuple[int, str] | None:
        """Refuse what is not signed as AWS wants it; the order of the checks is theirs."""
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        if scheme != "AWS4-HMAC-SHA256":
            return 400, "MissingAuthenticationTokenException"
        fields = dict(part.strip().split("=", 1) for part in rest.split(","))
        access, _, scope = fields["Credential"].partition("/")
        at, names = request.headers["X-Amz-Date"], fields["SignedHeaders"].split(";")
        if access != ACCESS_KEY_ID or request.headers.get("X-Amz-Security-Token") != self.session_token:
            return 400, "UnrecognizedClientException"
        needed = {"host", "x-amz-date", "x-amz-target"} | ({"x-amz-security-token"} if self.session_token else set())
        if scope != f"{at[:8]}/{REGION}/kms/aws4_request" or names != sorted(names) or not needed <= set(names):
            return 403, "InvalidSignatureException"
        said = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - said).total_seconds()) > _FIVE_MINUTES:
            return 403, "InvalidSignatureException"
        head = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
        canonical = f"POST\n/\n\n{head}\n{fields['SignedHeaders']}\n{sha256(body).hexdigest()}"
        text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        fits = hmac.compare_digest(self._sign(scope, text), fields["Signature"])
        return None if fits else (403, "com.amazon.coral.service#InvalidSignatureException")

    def _sign(self, scope: str, text: str) -> str:
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()


def _bound(context: dict[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True).encode()


def _json(content: dict[str, str], status: int) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), status=status, content_type="application/x-amz-json-1.1")
