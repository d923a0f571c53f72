"""YAML as JSON's other spelling: the core schema of YAML 1.2, without the surprises of 1.1.

``on`` and ``no`` are texts here (a definition's edges have a member ``on``), dates are texts, a key stands once, and
an alias does not multiply: documents that grow when they are read are refused.
"""

import re
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode

MAX_BYTES: Final = 4 << 20
_MAX_ALIASES: Final = 100
_DEPTH: Final = 64


class BadYamlText(ValueError):
    """A text that is no such YAML: ``issue`` says what, with line and column where they are known."""

    def __init__(self, issue: str) -> None:
        super().__init__(issue)
        self.issue = issue


class _Loader(yaml.SafeLoader):
    """Reads the core schema of YAML 1.2 into what JSON can hold."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._aliases = 0
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > _MAX_ALIASES:
                raise BadYamlText(f"has more than {_MAX_ALIASES} aliases")
        self._depth += 1
        if self._depth > _DEPTH:
            raise BadYamlText(f"is nested more than {_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = set()
        for name, _ in node.value if isinstance(node, MappingNode) else ():
            if name.tag != "tag:yaml.org,2002:str":
                raise BadYamlText(f"has a key that is no text{_where(name.start_mark)}; put it in quotes")
            if name.value in names:
                raise BadYamlText(f"has the key {name.value} twice{_where(name.start_mark)}")
            names.add(name.value)
        return super().construct_mapping(node, deep)


_CORE: Final = {
    "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"^[-+]?[0-9]{1,30}$", list("-+0123456789")),
    "float": (r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
}
_Loader.yaml_implicit_resolvers = {}
for _kind, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), _first)
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
for _foreign in ("timestamp", "binary", "set", "omap", "pairs", "merge", "value"):
    _Loader.yaml_constructors.pop(f"tag:yaml.org,2002:{_foreign}", None)


def read(text: str) -> Any:
    """Read one YAML document as JSON values. Raises BadYamlText."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise BadYamlText(f"is larger than {MAX_BYTES >> 20} MiB")
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        return _grown(loader.get_single_data())
    except yaml.MarkedYAMLError as error:
        raise BadYamlText(f"{error.problem or 'is no YAML'}{_where(error.problem_mark)}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadYamlText(f"is no YAML: {error}"[:300]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _grown(value: Any) -> Any:
    """Refuse a value that is larger, its aliases written out, than a text may be, or holds itself."""
    waiting, size = [value], 0
    while waiting:
        found = waiting.pop()
        size += len(found) if isinstance(found, str) else 1
        if size > MAX_BYTES:
            raise BadYamlText("grows too large when its aliases are written out")
        if isinstance(found, dict):
            waiting += [*found.keys(), *found.values()]
        elif isinstance(found, list):
            waiting += found
    return value


def _where(mark: Any) -> str:
    return "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"


class _Dumper(yaml.SafeDumper):
    """Writes what the reader above reads back the same, and what YAML 1.1 reads the same too."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Write a text so that it stays one: some that YAML 1.1 leaves plain are numbers in 1.2."""
    plain = not any(re.match(pattern, value) for pattern, _ in _CORE.values())
    style = "|" if "\n" in value else None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def write(value: Any) -> str:
    """Write JSON values as YAML, members in their order."""
    found: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return found
