"""`provenance resource-types|actions|origins`.

The three lists that badges come from, with one implementation.
"""

from typing import Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled

KINDS = {
    "resource-types": ("resource_types", "Resource types: the categories of things that are tracked."),
    "actions": ("actions", "Actions: the operations performed on them."),
    "origins": ("origins", "Origins: where interactions come from."),
}
"""Each command, its resource of the client, and what it is."""

Key = Annotated[str, typer.Argument(metavar="MNEMONIC|UUID", help="The row's mnemonic or its UUID.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the three commands to the command line."""
    for name, (resource, help_text) in KINDS.items():
        app.add_typer(_commands(resource), name=name, help=help_text)


def _commands(resource: str) -> typer.Typer:
    """Return `list`, `create`, `show` and `delete` over one resource of the client."""
    group = typer.Typer(no_args_is_help=True)

    @group.command("list")
    def list_(as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
        """List every row, system rows included."""
        with connected(settled(api_url, api_key)) as client:
            rows = getattr(client, resource).list()
        _print_rows(rows, as_json=as_json)

    @group.command("create")
    def create(
        mnemonic: Annotated[str, typer.Argument(metavar="MNEMONIC", help="The short name, like USER.")],
        title: Annotated[str | None, typer.Option("--title", help="For people; the mnemonic, if not given.")] = None,
        description: Annotated[str | None, typer.Option("--description", help="What it means.")] = None,
        icon: Annotated[str | None, typer.Option("--icon", help="An emoji or an icon's name.")] = None,
        font: Annotated[str | None, typer.Option("--font", metavar="#RRGGBB", help="Colour of the text.")] = None,
        background: Annotated[
            str | None, typer.Option("--background", metavar="#RRGGBB", help="Colour behind it.")
        ] = None,
        as_json: AsJson = False,
        api_url: ApiUrl = None,
        api_key: ApiKey = None,
    ) -> None:
        """Add a row."""
        with connected(settled(api_url, api_key)) as client:
            row = getattr(client, resource).create(
                mnemonic=mnemonic,
                title=title or mnemonic,
                description=description,
                icon=icon,
                font_color_hex=font,
                bg_color_hex=background,
            )
        _print_rows([row], as_json=as_json, one=True)

    @group.command("show")
    def show(key: Key, as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
        """Show one row."""
        with connected(settled(api_url, api_key)) as client:
            row = getattr(client, resource).get(key)
        _print_rows([row], as_json=as_json, one=True)

    @group.command("delete")
    def delete(key: Key, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
        """Delete a row that no interaction uses."""
        from provenance.cli.terminal import say

        with connected(settled(api_url, api_key)) as client:
            getattr(client, resource).delete(key)
        say(f"{key} deleted.")

    return group


def _print_rows(rows: list[Any], *, as_json: bool, one: bool = False) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from provenance.cli import terminal

    if as_json:
        terminal.print_json(rows[0] if one else rows)
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for title in ("Mnemonic", "Title", "Kind", "Id"):
        table.add_column(title, no_wrap=True)
    table.add_column("Description")
    for row in rows:
        kind = "system" if row["isSystem"] else "made on first use" if row["autoCreated"] else "yours"
        shown = {f"row{key[0].upper()}{key[1:]}": value for key, value in row.items()}
        texts = (row["title"], kind, row["id"], row.get("description") or "")
        table.add_row(terminal.badge(shown, "row"), *(Text(terminal.plain(text)) for text in texts))
    terminal.console().print(table)
