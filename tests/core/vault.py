"""A stand-in for HashiCorp Vault's transit engine: the same addresses, bodies, headers, refusals and ciphertexts."""

import base64
import os
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Vault:
    """Keys by ``mount/name``, each with its versions; one token that may use them all."""

    def __init__(self) -> None:
        self.token = "hvs." + base64.urlsafe_b64encode(os.urandom(24)).decode()
        self.keys = {"transit/provenance": [os.urandom(32)]}
        self.sealed = False
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        for verb, act in (("encrypt", self._encrypt), ("decrypt", self._decrypt), ("rewrap", self._rewrap)):
            app.router.add_post(f"/v1/{{mount:.+}}/{verb}/{{name}}", self._guarded(verb, act))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def rotate(self) -> None:
        """As `vault write -f transit/keys/provenance/rotate` does."""
        self.keys["transit/provenance"].append(os.urandom(32))

    def _guarded(self, verb: str, act: Any) -> Any:
        async def answer(request: web.Request) -> web.Response:
            self.asked.append((verb, request.headers.get("X-Vault-Namespace")))
            if self.sealed:
                return web.json_response({"errors": ["Vault is sealed"]}, status=503)
            if request.headers.get("X-Vault-Token") != self.token:
                return web.json_response({"errors": ["1 error occurred:\n\t* permission denied\n\n"]}, status=403)
            versions = self.keys.get(f"{request.match_info['mount']}/{request.match_info['name']}")
            if versions is None and verb == "decrypt":
                return web.json_response({"errors": ["encryption key not found"]}, status=400)
            if versions is None:
                return web.json_response({"errors": []}, status=404)
            try:
                return web.json_response({"request_id": "r", "data": act(versions, await request.json())})
            except (InvalidTag, ValueError):
                return web.json_response({"errors": ["invalid ciphertext: unable to decrypt"]}, status=400)

        return answer

    def _encrypt(self, versions: list[bytes], body: dict[str, str]) -> dict[str, Any]:
        nonce, plaintext = os.urandom(12), base64.b64decode(body["plaintext"], validate=True)
        sealed = nonce + AESGCM(versions[-1]).encrypt(nonce, plaintext, None)
        text = f"vault:v{len(versions)}:{base64.b64encode(sealed).decode()}"
        return {"ciphertext": text, "key_version": len(versions)}

    def _decrypt(self, versions: list[bytes], body: dict[str, str]) -> dict[str, Any]:
        word, version, text = body["ciphertext"].split(":")
        if word != "vault":
            raise ValueError("no prefix")
        sealed = base64.b64decode(text, validate=True)
        found = AESGCM(versions[int(version[1:]) - 1]).decrypt(sealed[:12], sealed[12:], None)
        return {"plaintext": base64.b64encode(found).decode()}

    def _rewrap(self, versions: list[bytes], body: dict[str, str]) -> dict[str, Any]:
        return self._encrypt(versions, self._decrypt(versions, body))
