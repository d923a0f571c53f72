"""A real S3 server on the loopback: `localbucket` with what it leaves out, the check of each request's signature."""

import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import localbucket

ACCESS, SECRET, REGION, BUCKET = "AKIATESTTESTTEST", "not/a+real=secret", "eu-test-1", "kept"
_ALGORITHM, _UNSIGNED = "AWS4-HMAC-SHA256", "UNSIGNED-PAYLOAD"


@dataclass
class Bucket:
    """Where the server is, what it keeps its objects in, and how to switch it off for a while."""

    endpoint: str
    folder: Path
    handler: Any

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/below"

    @property
    def options(self) -> dict[str, str]:
        return {
            "aws_endpoint_url": self.endpoint,
            "aws_region": REGION,
            "aws_access_key_id": ACCESS,
            "aws_secret_access_key": SECRET,
        }

    @property
    def files(self) -> list[str]:
        return sorted(str(each.relative_to(self.folder)) for each in self.folder.rglob("*") if each.is_file())


class _Signed(localbucket.S3Handler):
    """Asks for Signature Version 4, in a header or in the address, before anything else."""

    seen: list[tuple[str, str]]
    away = False

    def _dispatch(self, action: Any) -> None:
        self.seen.append((self.command, self.path))
        if type(self).away:
            self._send_error(localbucket.S3Error(HTTPStatus.FORBIDDEN, "AccessDenied", "switched off"))
        elif self._signature_fits():
            super()._dispatch(action)
        else:
            self._send_error(localbucket.S3Error(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", "another signature"))

    def _read_body(self) -> bytes:
        body: bytes = super()._read_body()
        announced = self.headers.get("x-amz-content-sha256", _UNSIGNED)
        if announced not in (_UNSIGNED, sha256(body).hexdigest()):
            raise localbucket.S3Error(HTTPStatus.BAD_REQUEST, "XAmzContentSHA256Mismatch", "another body")
        return body

    def _signature_fits(self) -> bool:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if "X-Amz-Signature" in query:
            given, payload = query.pop("X-Amz-Signature"), _UNSIGNED
            credential, signed, at = (query[f"X-Amz-{name}"] for name in ("Credential", "SignedHeaders", "Date"))
        else:
            scheme, _, rest = self.headers.get("authorization", "").partition(" ")
            if scheme != _ALGORITHM:
                return False
            fields = dict(part.strip().split("=", 1) for part in rest.split(","))
            given, credential, signed = fields["Signature"], fields["Credential"], fields["SignedHeaders"]
            at, payload = self.headers["x-amz-date"], self.headers["x-amz-content-sha256"]
        head = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in signed.split(";"))
        asked = "&".join(f"{_coded(name)}={_coded(value)}" for name, value in sorted(query.items()))
        request = "\n".join((self.command, quote(unquote(url.path), safe="/~"), asked, head, signed, payload))
        access, _, scope = credential.partition("/")
        text = "\n".join((_ALGORITHM, at, scope, sha256(request.encode()).hexdigest()))
        return access == ACCESS and hmac.compare_digest(given, _sign(scope, text))


def _coded(text: str) -> str:
    return quote(text, safe="~")


def _sign(scope: str, text: str) -> str:
    key = b"AWS4" + SECRET.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


@contextmanager
def bucket(folder: Path) -> Iterator[Bucket]:
    """Run a server that has one bucket, for as long as the block lasts."""
    (folder / BUCKET).mkdir(parents=True)
    handler = type("Handler", (_Signed,), {"data_root": folder, "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield Bucket(f"http://127.0.0.1:{server.server_port}", folder / BUCKET, handler)
        finally:
            server.shutdown()
            serving.join()
