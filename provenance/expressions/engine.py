"""The engine's environments: which variables there are, of which kinds, and the functions of the language."""

from functools import lru_cache
from threading import Lock
from typing import Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_optional, ext_strings

from provenance.expressions.errors import from_compiler
from provenance.expressions.functions import EXTENSION

_KEPT_ENVIRONMENTS: Final = 256

# The engine makes the compiler and runtime of an environment at first use, with no lock of its own.
_first_use = Lock()

Declared = tuple[tuple[str, str], ...]
"""Variables by name with their kind, a word of `KINDS`; a kind of our own (`Type`) is such a word too."""

KINDS: Final = {
    "any": cel.Type.DYN,
    "bool": cel.Type.BOOL,
    "bytes": cel.Type.BYTES,
    "double": cel.Type.DOUBLE,
    "duration": cel.Type.DURATION,
    "int": cel.Type.INT,
    "list": cel.Type.List(cel.Type.DYN),
    "map": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "null": cel.Type.NULL,
    "number": cel.Type.DYN,
    "string": cel.Type.STRING,
    "timestamp": cel.Type.TIMESTAMP,
    "uint": cel.Type.UINT,
}
"""What the compiler is told of a variable."""


def compiled(source: str, variables: Declared) -> cel.Expression:
    """Compile and type-check a source, which `bounds.check_source` has seen. Raises `InvalidExpression`."""
    with _first_use:
        try:
            return _environment(variables).compile(source)
        except (RuntimeError, TypeError) as error:
            raise from_compiler(str(error), source) from None


@lru_cache(maxsize=_KEPT_ENVIRONMENTS)
def _environment(variables: Declared) -> cel.Env:
    environment = cel.NewEnv(
        variables={name: KINDS[kind] for name, kind in variables},
        extensions=[ext_optional.ExtOptional(), ext_math.ExtMath(), ext_strings.ExtStrings(), EXTENSION],
    )
    environment.compile("true").eval()
    return environment
