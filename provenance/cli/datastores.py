"""`provenance datastores`: objects under keys, from files and into files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused, Refused
from provenance.cli.progress import Bar
from provenance.cli.secrets import items
from provenance.cli.terminal import as_json, console, plain, print_json, say

if TYPE_CHECKING:
    from provenance_client import Client

datastores = typer.Typer(no_args_is_help=True, help="Datastores: objects under keys, for steps and from them.")

Datastore = Annotated[str, typer.Argument(metavar="DATASTORE", help="A datastore's name, or its id (ds_…).")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The object's key, such as reports/2026-05.csv.")]
Json = Annotated[bool, typer.Option("--json", help="Lines of JSON instead of a table.")]
STDOUT = "-"


def register(app: typer.Typer) -> None:
    """Add `datastores` to the command line."""
    app.add_typer(datastores, name="datastores")


@datastores.command("list")
def list_(as_lines: Json = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List datastores, newest first, with how much is in each."""
    with connected(settled(api_url, api_key)) as client:
        found = list(items(client, "/datastores"))
    titles = ("Name", "Objects", "Bytes", "Id")
    _show(found, titles, ("name", "objectCount", "totalBytes", "datastoreId"), as_lines)


@datastores.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is for.")] = None,
    environment: Annotated[str | None, typer.Option("--environment", metavar="NAME", help="Where it belongs.")] = None,
    retention_days: Annotated[
        int | None, typer.Option("--retention-days", metavar="N", help="Delete what was not written for so long.")
    ] = None,
    max_object_bytes: Annotated[
        int | None, typer.Option("--max-object-bytes", metavar="N", help="Largest object it takes.")
    ] = None,
    quota_bytes: Annotated[
        int | None, typer.Option("--quota-bytes", metavar="N", help="Most bytes of all together.")
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make a datastore and print its id."""
    body = {
        "name": name,
        "description": description,
        "environment": environment,
        "retentionDays": retention_days,
        "maxObjectBytes": max_object_bytes,
        "quotaBytes": quota_bytes,
    }
    with connected(settled(api_url, api_key)) as client:
        typer.echo(client.call("POST", "/datastores", json=body, at_root=True)["datastoreId"])


@datastores.command("ls")
def ls(
    datastore: Datastore,
    prefix: Annotated[str | None, typer.Argument(metavar="[PREFIX]", help="Only keys that begin so.")] = None,
    as_lines: Json = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the objects of a datastore, in the byte order of their keys."""
    with connected(settled(api_url, api_key)) as client:
        path = f"/datastores/{_id_of(client, datastore)}/objects"
        found = list(items(client, path, prefix=prefix))
    titles = ("Key", "Bytes", "Type", "Written")
    _show(found, titles, ("key", "sizeBytes", "contentType", "updatedAt"), as_lines)


@datastores.command("put")
def put(
    datastore: Datastore,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="What to upload.")],
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Under which key; else the file's name.")] = None,
    content_type: Annotated[
        str | None, typer.Option("--content-type", metavar="TYPE", help="Such as text/csv; else by the file's name.")
    ] = None,
    only_new: Annotated[bool, typer.Option("--new", help="Refuse if there is an object under the key.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Upload a file. A large one goes in parts, and on where a connection broke."""
    from provenance_client.datastores import send

    with connected(settled(api_url, api_key)) as client, Bar(file.name, file.stat().st_size) as bar:
        datastore_id = _id_of(client, datastore)
        digest = send(
            client,
            datastore_id,
            file,
            key or file.name,
            content_type=content_type,
            only_new=only_new,
            progress=bar.advance_to,
        )
    print_json({"datastoreId": datastore_id, "key": key or file.name, "sha256": digest})


@datastores.command("get")
def get(
    datastore: Datastore,
    key: Key,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="Where to; else the end of the key. -: to stdout.")
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Download an object and check its SHA-256. The file is there only when it is whole."""
    from provenance_client.datastores import content, described, fetch

    with connected(settled(api_url, api_key)) as client:
        datastore_id = _id_of(client, datastore)
        if file == STDOUT:
            for piece in content(client, datastore_id, described(client, datastore_id, key)):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        path = Path(file or key.rstrip("/").rpartition("/")[2])
        if path.name in ("", ".", ".."):
            raise Misused(f"{path} is no name of a file; say where to.")
        with Bar(plain(key), None) as bar:
            found = fetch(client, datastore_id, key, path, progress=bar.advance_to)
    say(f"{path}: {found['sizeBytes']:,} bytes, sha256 {found['sha256']}.")


@datastores.command("rm")
def rm(
    datastore: Datastore,
    keys: Annotated[list[str], typer.Argument(metavar="KEY…", help="The keys of the objects.")],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Delete objects."""
    with connected(settled(api_url, api_key)) as client:
        datastore_id = _id_of(client, datastore)
        for key in keys:
            print_json(client.call("DELETE", f"/datastores/{datastore_id}/objects/{quote(key, safe='')}", at_root=True))


def _id_of(client: "Client", named: str) -> str:
    """Return the id of a datastore by its name or its id. Raises Refused when there is none."""
    if named.startswith("ds_"):
        return named
    for each in items(client, "/datastores"):
        if each["name"] == named:
            return str(each["datastoreId"])
    raise Refused(f"There is no datastore called {plain(named)}. Make it: provenance datastores create {plain(named)}")


def _show(found: Sequence[dict[str, Any]], titles: Sequence[str], members: Sequence[str], as_lines: bool) -> None:
    if as_lines:
        for each in found:
            typer.echo(as_json(each))
        return
    if not found:
        say("Nothing found.")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, justify="right" if title in ("Objects", "Bytes") else "left", no_wrap=True)
    for each in found:
        cells = [each[member] for member in members]
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else plain(cell)) for cell in cells))
    console().print(table)
