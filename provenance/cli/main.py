"""The `provenance` command: how every command begins and ends."""

import errno
import os
import sys
from collections.abc import Sequence
from uuid import uuid4

from provenance.cli.errors import CommandFailed


def main() -> None:
    """Run the command line and exit: 0 success, 1 refused, 2 usage, 3 unreachable, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A locale that cannot show an emoji must not make a command fail.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; nothing escapes but a bug."""
    code: int = 0
    try:
        if list(arguments) == ["uow", "new"]:
            # Scripts call it in loops: answered before the framework is loaded, five times as fast.
            print(uuid4())
        else:
            from provenance.cli.app import build

            build(arguments)(args=list(arguments), prog_name="provenance")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except CommandFailed as failure:
        print(_label(), _shown(failure), file=sys.stderr)
        code = failure.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 1
    except OSError as error:
        print(_label(), error, file=sys.stderr)
        code = 1
    return _flushed(code)


def _flushed(code: int) -> int:
    """Empty stdout while its failure can still be told.

    A full disk is an error, a reader that left is not.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.errno != errno.EPIPE:
            print(_label(), f"cannot write the result: {error}", file=sys.stderr)
        return code or 1
    return code


def _shown(failure: CommandFailed) -> str:
    """Return the message with control characters spelled out: it may quote what others recorded."""
    from provenance.cli.terminal import plain

    return "\n".join(plain(line) for line in str(failure).split("\n"))


def _label() -> str:
    """`error:`, red on a terminal that wants colour."""
    wanted = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return "\x1b[1;31merror:\x1b[0m" if wanted else "error:"
