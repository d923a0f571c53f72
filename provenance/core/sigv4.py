"""AWS Signature Version 4: what a request carries so that a service of AWS believes whose it is.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Made for requests
to an address without a query, and whose path needs no encoding; those of KMS all go to ``/``.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from yarl import URL

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key of AWS; with a session token when it is one for some hours. Shown without its secrets."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests to one service in one region."""

    credentials: Credentials
    region: str
    service: str

    def signed(self, method: str, url: URL, headers: Mapping[str, str], body: bytes, at: datetime) -> dict[str, str]:
        """Return the headers of a request, all of them signed, for a moment in UTC; AWS takes it for five minutes.

        ``headers`` have lower-case names.
        """
        sent = {**headers, "host": url.host_port_subcomponent or "", "x-amz-date": f"{at:%Y%m%dT%H%M%SZ}"}
        if self.credentials.session_token is not None:
            sent["x-amz-security-token"] = self.credentials.session_token
        names = ";".join(sorted(sent))
        lines = [f"{name}:{' '.join(sent[name].split())}" for name in sorted(sent)]
        request = "\n".join([method, url.raw_path, "", *lines, "", names, sha256(body).hexdigest()])
        scope = f"{at:%Y%m%d}/{self.region}/{self.service}/aws4_request"
        text = "\n".join([_ALGORITHM, sent["x-amz-date"], scope, sha256(request.encode()).hexdigest()])
        credential = f"Credential={self.credentials.access_key_id}/{scope}"
        sent["authorization"] = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={self._sign(scope, text)}"
        return sent

    def _sign(self, scope: str, text: str) -> str:
        key = b"AWS4" + self.credentials.secret_access_key.encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()
