"""`provenance proof`: save what proves one interaction, to be checked later without the server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused

if TYPE_CHECKING:
    from provenance_client import Client

Form = Literal["json", "tlog-proof", "record"]


def register(app: typer.Typer) -> None:
    """Add `proof` to the command line."""
    app.command()(proof)


def proof(
    id: Annotated[str, typer.Argument(metavar="ID", help="An interaction's id.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it here, not to stdout.")
    ] = None,
    form: Annotated[
        Form,
        typer.Option("--format", help="json holds all; a tlog-proof holds no content and goes with a record."),
    ] = "json",
    cosigned: Annotated[
        bool, typer.Option("--cosigned", help="Against the newest head that a witness has signed (about one a minute).")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="Patience until the interaction is under such a head.")
    ] = 10.0,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Save the proof of one interaction.

    provenance proof 018f3c1e-… -o proof.json && provenance verify proof.json --key …
    """
    from provenance.cli.verifying.signed import until_signed

    with connected(settled(api_url, api_key)) as client:
        text = until_signed(lambda: _fetched(client, id, form, cosigned=cosigned), wait)
    if output is None:
        typer.echo(text, nl=not text.endswith(b"\n"))
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        raise Misused(f"Cannot write {output}: {error.strerror}") from error


def _fetched(client: "Client", id: str, form: Form, *, cosigned: bool) -> bytes:
    from provenance_client.api.request import Request, segment

    accept = "text/plain" if form == "tlog-proof" else "application/json"
    request: Any = Request("GET", f"/interactions/{segment(id)}/proof", headers={"accept": accept})
    if cosigned:
        request = request.with_param("cosigned", "true")
    text = client.transport.exchange(request)
    return _record_of(text) if form == "record" else text


def _record_of(document: bytes) -> bytes:
    """Return the record in a JSON proof: envelope, content and salt, in canonical JSON."""
    import msgspec

    from provenance.proof.canonical import canonical

    proven = msgspec.json.decode(document)
    kept = {name: proven[name] for name in ("envelope", "content", "salt")}
    return canonical(kept) + b"\n"
