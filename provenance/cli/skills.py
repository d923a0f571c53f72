"""`provenance skills`: write, test, pack, push and call skills.

A skill is a folder with ``skill.json``, its code and its tests. `test` and `run FOLDER` need no server: they run the
code in the sandbox of this machine.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused, Refused
from provenance.cli.packing import BUILTIN, MANIFEST, built_in, copied, packed, read_manifest, started, unpacked
from provenance.cli.secrets import items
from provenance.cli.terminal import as_json, console, print_json, say

if TYPE_CHECKING:
    from provenance_client import Client

skills = typer.Typer(no_args_is_help=True, help="Skills: sandboxed functions that steps and agents call.")

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The skill's folder, with skill.json.")]
Input = Annotated[str | None, typer.Option("--input", metavar="JSON", help="The input; - reads it from stdin.")]
KEPT = ("name", "description", "inputSchema", "outputSchema", "connectionId", "secretRefs", "trustLevel", "riskLevel")
FIELDS = (*KEPT, "limits", "egress")
"""What of a manifest a skill takes over."""


def register(app: typer.Typer) -> None:
    """Add `skills` to the command line."""
    app.add_typer(skills, name="skills")


@skills.command("init")
def init(
    folder: Folder,
    runtime: Annotated[str, typer.Option("--runtime", metavar="NAME", help="python3 or node.")] = "python3",
    source: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help=f"Copy one of the library: {', '.join(built_in())}.")
    ] = None,
) -> None:
    """Make a folder with a skill that works, and its tests."""
    if folder.exists() and any(folder.iterdir()):
        raise Misused(f"{folder} is not empty.")
    if source is not None and source not in built_in():
        raise Misused(f"The library has no {source}; it has {', '.join(built_in())}.")
    files = copied(BUILTIN / source, folder.name) if source is not None else started(folder.name, runtime)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    say(f"Made {folder}. Try: provenance skills test {folder}")


@skills.command("test")
def test(folder: Folder) -> None:
    """Run a skill's own tests in the sandbox of this machine; ends with 1 when one fails."""
    with unpacked(folder) as trial:
        verdicts = trial.test()
    shown = console()
    for each in verdicts:
        if each.reason is not None:
            shown.print(f"failed  {each.name}: {each.reason}", style="red", markup=False, highlight=False)
    failed = sum(each.reason is not None for each in verdicts)
    say(f"{len(verdicts) - failed} passed, {failed} failed")
    if failed or not verdicts:
        raise Refused("No test was found." if not verdicts else "A test failed.")


@skills.command("pack")
def pack(
    folder: Folder,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="The zip; NAME.zip without it.")] = None,
) -> None:
    """Make a skill's package. The same folder always makes the same bytes; their SHA-256 is printed."""
    content = packed(folder)
    path = to or Path(f"{read_manifest(folder).get('name', folder.resolve().name)}.zip")
    path.write_bytes(content)
    print_json({"file": str(path), "sizeBytes": len(content), "sha256": sha256(content).hexdigest()})


@skills.command("push")
def push(folder: Folder, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Make or change the skill that a folder describes, send its package, and use it from now on."""
    manifest, content = read_manifest(folder), packed(folder)
    body = {name: manifest[name] for name in FIELDS if name in manifest}
    with connected(settled(api_url, api_key)) as client:
        skill = named(client, str(manifest.get("name")))
        if skill is None:
            made = {**body, "runtime": manifest["runtime"]}
            skill = client.call("POST", "/skills", json=made, at_root=True)
        path = f"/skills/{skill['skillId']}"
        if skill["packageSha256"] != sha256(content).hexdigest():
            package = sent(client, path, f"{folder.resolve().name}.zip", content)
            body["activatePackage"] = package["packageId"]
        print_json(client.call("PATCH", path, json=body, at_root=True))


@skills.command("run")
def run(
    what: Annotated[str, typer.Argument(metavar="ID|NAME|FOLDER", help="A skill of the server, or a folder here.")],
    given: Input = None,
    version: Annotated[int | None, typer.Option("--version", metavar="N", help="Not the current version.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Call a skill and print its output; its log goes to stderr. Ends with 1 when it fails."""
    sent_input = _read(given)
    if (Path(what) / MANIFEST).exists():
        with unpacked(Path(what)) as trial:
            outcome = trial.call(sent_input)
        _show(outcome.output, outcome.error, [{"level": line.level, "message": line.message} for line in outcome.logs])
        return
    with connected(settled(api_url, api_key)) as client:
        skill_id = what if what.startswith("skl_") else _id_of(client, what)
        body = {"input": sent_input, **({} if version is None else {"version": version})}
        ran = client.call("POST", f"/skills/{skill_id}/run", json=body, at_root=True)
    _show(ran["output"], ran["error"], ran["logs"])


@skills.command("list")
def list_(
    runtime: Annotated[str | None, typer.Option("--runtime", metavar="NAME", help="Only of this runtime.")] = None,
    q: Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Part of the name or description.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List skills, newest first, as lines of JSON."""
    with connected(settled(api_url, api_key)) as client:
        for each in items(client, "/skills", runtime=runtime, q=q):
            typer.echo(as_json(each))


def named(client: "Client", name: str) -> dict[str, Any] | None:
    """Return the skill of a name."""
    return next((each for each in items(client, "/skills", q=name) if each["name"] == name), None)


def sent(client: "Client", path: str, file_name: str, content: bytes) -> dict[str, Any]:
    """Send a package and return what the server says of it. Raises Refused."""
    import httpx

    body = {"fileName": file_name, "sizeBytes": len(content), "sha256": sha256(content).hexdigest()}
    asked = client.call("POST", f"{path}/upload-url", json=body, at_root=True)
    answer = httpx.put(asked["uploadUrl"], content=content, headers=asked["headers"], timeout=120)
    found: dict[str, Any] = answer.json()
    if answer.status_code != 200:
        raise Refused(str(found.get("detail", "The package was refused.")))
    return found


def _id_of(client: "Client", name: str) -> str:
    skill = named(client, name)
    if skill is None:
        raise Refused(f"There is no skill {name}.")
    return str(skill["skillId"])


def _read(given: str | None) -> Any:
    text = sys.stdin.read() if given == "-" else given
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise Misused(f"The input is no JSON: {error}.") from None


def _show(output: Any, error: dict[str, str] | None, logs: list[dict[str, Any]]) -> None:
    for line in logs:
        typer.echo(f"{line['level']:<8} {line['message']}", err=True)
    if error is not None:
        raise Refused(f"{error['code']}: {error['message']}")
    print_json(output)
