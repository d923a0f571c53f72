"""`provenance verify`: check proofs, evidence packs and whole logs, trusting nothing but the keys that are named."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provenance.cli.connection import ApiKey, connected, settled
from provenance.cli.errors import Misused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provenance.cli.verifying.sources import Server
    from provenance.cli.verifying.verdict import Verdict
    from provenance.proof.notes import Note
    from provenance.proof.policy import Policy


def register(app: typer.Typer) -> None:
    """Add `verify` to the command line."""
    app.command()(verify)


def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE…", help="A JSON proof, a .tlog-proof, an evidence pack, or a log's folder."),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option("--log", metavar="URL", help="Walk the log of this server (without FILE: of the configured one)."),
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="KEY", help="A log's verifier key that you trust (repeat).")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="Trusted logs, witnesses and their quorum (tlog-policy)."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="The record that a .tlog-proof is about.")
    ] = None,
    certificate: Annotated[
        list[Path] | None,
        typer.Option(
            "--certificate", metavar="FILE", help="The erasure certificate of a proof without content (repeat)."
        ),
    ] = None,
    contents: Annotated[
        bool, typer.Option("--contents/--no-contents", help="With a server: check every row's content too.")
    ] = True,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="Walk from the start, not where a walk was cut off.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    api_key: ApiKey = None,
) -> None:
    """Check what a ledger claims; ends with 0 only if all is proven, by a key that you named.

    provenance verify pack.zip --key 'example.com/main+6f1c…+ATkK…'
    """
    from provenance.cli.verifying import verdict as verdicts
    from provenance.cli.verifying.trust import policy_of

    trusted = policy_of(key or (), policy)
    found = [_checked(path, record, certificate or (), trusted) for path in files or ()]
    if log is not None or not files:
        found += _check_server(log, api_key, list(files or ()), trusted, contents=contents, afresh=afresh)
    verdicts.tell(found, as_json=as_json)
    if not all(each.accepted for each in found):
        raise typer.Exit(1)


def _checked(path: Path, record: Path | None, certificates: "Sequence[Path]", policy: "Policy") -> "Verdict":
    from provenance.cli.verifying.documents import check_file
    from provenance.cli.verifying.logs import check_log
    from provenance.cli.verifying.sources import Folder

    if not path.exists():
        raise Misused(f"There is no {path}.")
    if path.is_dir():
        return check_log(Folder(path), policy, None, contents=False, afresh=True)[0]
    return check_file(path, record, certificates, policy)


def _check_server(
    log: str | None, api_key: str | None, files: list[Path], policy: "Policy", *, contents: bool, afresh: bool
) -> list["Verdict"]:
    """Walk a server's log, and check that it still holds what the heads of the files held."""
    from provenance.cli.verifying.logs import check_log
    from provenance.cli.verifying.memory import place_of
    from provenance.cli.verifying.sources import Server

    connection = settled(log, api_key)
    with connected(connection) as client:
        source = Server(client, connection.api_url)
        verdict, note = check_log(source, policy, place_of, contents=contents, afresh=afresh)
        if note is not None:
            for path in files:
                _compare(verdict, source, note, path)
    return [verdict]


def _compare(verdict: "Verdict", source: "Server", note: "Note", path: Path) -> None:
    from provenance.cli.verifying.documents import checkpoint_of
    from provenance.cli.verifying.logs import check_extends
    from provenance.proof.checkpoints import Checkpoint

    old, head = Checkpoint.parse(checkpoint_of(path).text), Checkpoint.parse(note.text)
    if old.origin != head.origin:
        verdict.add("growth", False, f"it is of another log, {old.origin}", str(path))
    else:
        check_extends(verdict, source, old, head, f"the head in {path}")
