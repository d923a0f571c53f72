"""A filter of system calls: what a program needs to compute is let through, all else gives an error.

No socket is opened, no process started (threads are), no other process looked into or signalled, nothing mounted.
"""

import ctypes
import errno
import os
import struct

from provenance.skills.sandbox.inside import kernel
from provenance.skills.sandbox.inside.syscalls import ALLOWED, HIGHEST

_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_ACTION_AVAILABLE, _SET_FILTER = 2, 1
_THREAD = 0x00010000
_NEW_NAMESPACES = 0x7E020000

_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Of a file: is it a terminal and how large, how much can be read, block or not, keep over a start or not."""
_PRCTLS = (15, 16, 0x53564D41)
"""Naming a thread, reading its name, naming memory."""

_OWN_PID = 0x7FFFFFF1
"""Stands for the process's own id, which is not known when the filter is made; no process has it."""

Instruction = tuple[int, int, int, int]


def available() -> bool:
    """Tell whether the kernel filters system calls."""
    if kernel.MACHINE not in _SECCOMP:
        return False
    action = ctypes.c_uint32(_ALLOW)
    try:
        kernel.syscall(_SECCOMP[kernel.MACHINE], _ACTION_AVAILABLE, 0, ctypes.byref(action))
    except OSError:
        return False
    return True


class Filter:
    """A filter, made once; processes set it on themselves."""

    def __init__(self, *, starts_program: bool) -> None:
        """Make one; with ``starts_program`` a process may become another program, in the same jail."""
        self._packed = b"".join(map(_packed, _program(starts_program=starts_program)))

    def restrict(self) -> None:
        """Filter the calls of this thread and of all it starts from here on. Raises OSError."""
        own = self._packed.replace(_packed(_is(_OWN_PID)), _packed(_is(os.getpid())))
        body = ctypes.create_string_buffer(own)
        head = ctypes.create_string_buffer(struct.pack("@HP", len(own) // 8, ctypes.addressof(body)))
        kernel.forgo_privileges()
        kernel.syscall(_SECCOMP[kernel.MACHINE], _SET_FILTER, 0, head)


def _packed(instruction: Instruction) -> bytes:
    return struct.pack("=HBBI", *instruction)


def _is(pid: int) -> Instruction:
    """The last of the checks that let a call through: its argument is this process."""
    return (_EQUAL, 1, 0, pid)


def _program(*, starts_program: bool) -> list[Instruction]:
    column = 0 if kernel.MACHINE == "x86_64" else 1
    numbers = {name: both[column] for name, both in ALLOWED.items() if both[column] >= 0}
    special = {
        "clone": _threads_alone(),
        "ioctl": _first_argument_in(_IOCTLS, place=1),
        "prctl": _first_argument_in(_PRCTLS),
        "kill": _first_argument_in((_OWN_PID,)),
        "tgkill": _first_argument_in((_OWN_PID,)),
        "prlimit64": _first_argument_in((0, _OWN_PID)),
        "clone3": [_answer(errno.ENOSYS)],
        "openat2": [_answer(errno.ENOSYS)],
    }
    if not starts_program:
        del numbers["execve"]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[kernel.MACHINE]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for name, number in numbers.items():
        then = special.get(name, [(_RETURN, 0, 0, _ALLOW)])
        program += [(_EQUAL, 0, len(then), number), *then]
    program += [(_AT_LEAST, 0, 1, HIGHEST + 1), _answer(errno.ENOSYS), _answer(errno.EPERM)]
    return program


def _answer(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _first_argument_in(values: tuple[int, ...], *, place: int = 0) -> list[Instruction]:
    """Let through what names one of these values in an argument, whose lower half tells them apart."""
    checks = [(_EQUAL, len(values) - index, 0, value & 0xFFFFFFFF) for index, value in enumerate(values)]
    return [(_LOAD, 0, 0, _ARGUMENT + 8 * place), *checks, _answer(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]


def _threads_alone() -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _ARGUMENT),
        (_BITS, 1, 0, _NEW_NAMESPACES),
        (_BITS, 1, 0, _THREAD),
        _answer(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
