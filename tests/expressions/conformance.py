"""The official conformance cases of the language: fetched from the npm registry of this machine, never kept here.

The package holds them as a JavaScript module, whose values are protocol buffers written as JSON.
"""

import base64
import json
import math
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from provenance.expressions import ExpressionError, InvalidExpression, Type, compile_expression
from provenance.expressions.errors import from_evaluation

PACKAGE: Final = "@bufbuild/cel-spec@0.6.1"
_MODULE: Final = "package/dist/esm/testdata/conformance.js"
_DUMP: Final = "const m = await import(process.argv[1]); process.stdout.write(JSON.stringify(m.tests))"
_FETCH_SECONDS: Final = 30.0

OTHER_EXTENSIONS: Final = {
    "bindings_ext": "cel.bind",
    "block_ext": "cel.block, which optimizers write",
    "encoders_ext": "base64.encode and decode",
    "macros2": "macros with two variables",
}
"""Suites of extensions that the language of workflows does not have."""
_MESSAGES: Final = frozenset(["proto2", "proto3", "proto2_ext", "dynamic", "enums", "wrappers"])
_NAMES_OF_MESSAGES: Final = ("TestAllTypes", "google.protobuf", "objectValue", "messageType", "enumValue", "GlobalEnum")

Case = Mapping[str, Any]


class Unavailable(Exception):
    """The cases can't be had on this machine, and why."""


def fetched(folder: Path) -> list[Case]:
    """Fetch every case into a folder. Raises Unavailable."""
    command = [
        "npm",
        "pack",
        PACKAGE,
        "--prefer-offline",
        "--fetch-retries=0",
        "--silent",
        "--pack-destination",
        str(folder),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_FETCH_SECONDS, cwd=folder)
        with tarfile.open(next(folder.glob("*.tgz"))) as package:
            package.extractall(folder, filter="data")
        node = ["node", "--input-type=module", "-e", _DUMP, str(folder / _MODULE)]
        dumped = subprocess.run(node, check=True, capture_output=True, timeout=_FETCH_SECONDS, cwd=folder).stdout
    except (OSError, subprocess.SubprocessError, StopIteration, tarfile.TarError) as error:
        raise Unavailable(f"{PACKAGE} can't be fetched with npm and read with node: {error}") from None
    return list(_cases(json.loads(dumped), ()))


def _cases(suite: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[Case]:
    names = (*above, suite["name"])
    for each in suite.get("tests", []):
        yield {**each["original"], "suite": "/".join(names[1:])}
    for inner in suite.get("suites", []):
        yield from _cases(inner, names)


def needs_messages(case: Case) -> bool:
    """Tell whether a case is about protocol buffer messages or enumerations."""
    if case["suite"].partition("/")[0] in _MESSAGES or "protobuf" in case.get("container", ""):
        return True
    text = json.dumps({name: value for name, value in case.items() if name not in ("name", "description")})
    return any(name in text for name in _NAMES_OF_MESSAGES)


def passes(case: Case) -> str | None:
    """Carry out a case; return why it does not pass, None when it does."""
    variables = {each["name"]: Type.ANY for each in case.get("typeEnv", []) if "ident" in each}
    variables |= dict.fromkeys(case.get("bindings", {}), Type.ANY)
    fails = "evalError" in case
    try:
        expression = compile_expression(case["expr"], variables)
        if case.get("checkOnly"):
            return None
        given = {name: _python(bound["value"]) for name, bound in case.get("bindings", {}).items()}
        found = _seen(expression._program.eval(data=given))
    except (InvalidExpression, ExpressionError, RuntimeError, TypeError) as error:
        return None if fails else f"{type(error).__name__}: {error}"
    if fails:
        return f"gives {found} where an error is due"
    expected = _expected(case.get("value") or case.get("typedResult", {}).get("result") or {"boolValue": True})
    return None if found == expected else f"gives {found}, not {expected}"


def _seen(value: Any) -> Any:
    """A result as a comparable value: its kind and what it holds. Raises ExpressionError."""
    kind = value.type().name().partition("<")[0]
    if kind == "ERROR":
        raise from_evaluation(value.value())
    if kind == "NULL":
        return ("NULL", None)
    held = value.value()
    if kind == "LIST":
        return (kind, [_seen(item) for item in held])
    if kind == "MAP":
        return (kind, sorted((repr(name), _seen(member)) for name, member in held.items()))
    if kind == "TYPE":
        return (kind, None)
    return (kind, _comparable(bytes(held) if kind == "BYTES" else held))


def _comparable(held: Any) -> Any:
    return "NaN" if isinstance(held, float) and math.isnan(held) else held


def _expected(value: Mapping[str, Any]) -> Any:
    [(name, held)] = value.items()
    if name == "listValue":
        return ("LIST", [_expected(item) for item in held.get("values", [])])
    if name == "mapValue":
        members = ((_python(each["key"]), _expected(each["value"])) for each in held.get("entries", []))
        return ("MAP", sorted((repr(key), member) for key, member in members))
    kinds = {"int64Value": "INT", "uint64Value": "UINT", "doubleValue": "DOUBLE", "nullValue": "NULL"}
    kind = kinds.get(name, name.removesuffix("Value").upper())
    return (kind, None) if kind in ("TYPE", "NULL") else (kind, _comparable(_python(value)))


def _python(value: Mapping[str, Any]) -> Any:
    [(name, held)] = value.items()
    if name in ("int64Value", "uint64Value"):
        return int(held)
    if name == "doubleValue":
        return float(str(held).replace("Infinity", "inf"))
    if name == "bytesValue":
        return base64.b64decode(held)
    if name == "listValue":
        return [_python(item) for item in held.get("values", [])]
    if name == "mapValue":
        return {_python(each["key"]): _python(each["value"]) for each in held.get("entries", [])}
    return None if name == "nullValue" else held
