"""The jail that a process builds around itself, and what of it this kernel gives.

As root, or where a user namespace can be had, a process sees a root folder of its own with the runtime's libraries,
the package and a private folder in memory. Everywhere Landlock and seccomp confine it, too. In that order: the root
folder, limits, the user, Landlock, seccomp; the last steps can't be taken back by anything that runs later.
"""

import contextlib
import os
import resource
import signal
import sys
import sysconfig
from typing import NamedTuple

from provenance.skills.sandbox.inside import kernel, landlock, seccomp

PACKAGE, PRIVATE = "/package", "/tmp"  # noqa: S108  (of the sandbox's own root folder)
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/libx32", "/lib", "/lib64")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/etc/ssl/openssl.cnf")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_FIRST_UID, _UIDS = 0x30000000, 0x10000000
_MEBI = 1024 * 1024
_PRIVATE_FILES = 4096


class Level(NamedTuple):
    """What confines code here. Without ``landlock`` and ``seccomp`` there is no sandbox worth the name."""

    landlock: int
    """Version of the kernel's interface; 0 where it has none, or it is switched off."""
    seccomp: bool
    mounts: bool
    """A root folder of its own, without any file but those it needs, and a private folder of bounded size."""
    network: bool
    """A network of its own without an interface, beside the filter that refuses sockets."""
    own_user: bool
    """A user of its own for each call: the platform runs as root."""

    @property
    def confined(self) -> bool:
        """Whether code of others may run: never as root, so root needs mounts, by which a user of its own can read."""
        return self.landlock > 0 and self.seccomp and (self.mounts or not self.own_user)


class Limits(NamedTuple):
    """What one call may use; ``cpu`` times ``seconds`` is its processor time."""

    seconds: float
    memory_mb: int
    private_mb: int
    cpu: int


class Place(NamedTuple):
    """Where code runs: its package and its private folder, as it sees them."""

    package: str
    private: str


def leave_network() -> tuple[bool, bool]:
    """Once for the fork server: leave the host's network, as root or in a user namespace.

    Return whether that, and mounts of our own, can be had. It changes nothing where they can't.
    """
    if os.geteuid() != 0:
        with contextlib.suppress(OSError):
            _take_user_namespace()
    try:
        kernel.unshare(kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS)
    except OSError:
        return False, False
    return True, True


def _take_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def libraries(runtime: str) -> list[str]:
    """Return the files and folders that a runtime needs to read."""
    found = [*_LIBRARIES, *_SYSTEM_FILES]
    if runtime == "node":
        found += [program("node") or ""]
    else:
        found += [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
        found += [os.path.join(sys.base_prefix, "lib", sysconfig.get_config_var("LDLIBRARY") or "libpython3.so")]
    seen = dict.fromkeys(each for each in found if each and os.path.exists(each))
    return [each for each in seen if not any(each.startswith(other + "/") for other in seen)]


def program(name: str) -> str | None:
    """Return where a program really is; None when it is not there."""
    for folder in os.get_exec_path():
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.realpath(path)
    return None


class Jail:
    """The jail of one runtime, prepared once by the fork server; each process it forks makes ready, then enters."""

    def __init__(self, runtime: str, level: Level, folder: str) -> None:
        """Prepare the root-to-be at ``folder``, in mounts of our own. Raises OSError."""
        self._starts_program = runtime == "node"
        self._bounds_addresses = runtime == "python3"
        self._level = level
        self._folder = folder
        self._shown = libraries(runtime)
        self._filter = seccomp.Filter(starts_program=self._starts_program)
        self._virtual_bytes = _virtual_bytes()
        self._uid: int | None = None
        if level.mounts:
            self._build_root()

    def make_ready(self) -> None:
        """Do, in a process just forked, what can be done before its call is known. Raises OSError."""
        if self._level.own_user:
            self._uid = _FIRST_UID + int.from_bytes(os.urandom(4), "big") % _UIDS
        if self._level.mounts:
            kernel.own_mounts()

    def enter(self, package: str, private: str, limits: Limits) -> Place:
        """Go in and lock the door: root folder, limits, user, files, system calls. Raises OSError.

        ``private`` is a folder for this call, used where mounts of our own can't be had.
        """
        place = Place(package, private)
        if self._level.mounts:
            place = self._enter_root(package, limits)
        self._limit(limits)
        os.umask(0o077)
        self._change_user()
        kernel.hide_memory()
        kernel.die_with_parent(signal.SIGKILL)
        if self._level.landlock:
            landlock.restrict(self._rules(place))
        if self._level.seccomp:
            self._filter.restrict()
        return place

    def leave(self) -> None:
        """Take the prepared root away again, in the fork server."""
        if self._level.mounts:
            kernel.unmount(self._folder)
        os.rmdir(self._folder)

    def _build_root(self) -> None:
        kernel.own_mounts()
        kernel.mount_tmpfs(self._folder, "size=1m,nr_inodes=512,mode=0755")
        for path in (*self._shown, *_DEVICES):
            _show(path, self._folder)
        for name in (PACKAGE, PRIVATE):
            os.makedirs(self._folder + name, exist_ok=True)

    def _enter_root(self, package: str, limits: Limits) -> Place:
        owner = "" if self._uid is None else f",uid={self._uid},gid={self._uid}"
        options = f"size={limits.private_mb}m,nr_inodes={_PRIVATE_FILES},mode=0700{owner}"
        kernel.mount_tmpfs(self._folder + PRIVATE, options)
        kernel.bind(package, self._folder + PACKAGE)
        kernel.change_root(self._folder)
        return Place(PACKAGE, PRIVATE)

    def _change_user(self) -> None:
        if self._uid is not None:
            os.setgroups([])
            os.setresgid(self._uid, self._uid, self._uid)
            os.setresuid(self._uid, self._uid, self._uid)
        elif self._level.mounts:
            kernel.forgo_capabilities()

    def _rules(self, place: Place) -> list[tuple[str, int]]:
        rights = landlock.RUN if self._starts_program else landlock.READ
        rules = [(path, rights) for path in self._shown]
        rules += [(place.package, landlock.READ), (place.private, landlock.OWN)]
        return [*rules, *((path, landlock.READ_WRITE) for path in _DEVICES)]

    def _limit(self, limits: Limits) -> None:
        bounds = {
            resource.RLIMIT_CPU: max(1, round(limits.seconds * limits.cpu)) + 1,
            resource.RLIMIT_FSIZE: limits.private_mb * _MEBI,
            resource.RLIMIT_NOFILE: 256,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        if self._bounds_addresses:
            bounds[resource.RLIMIT_AS] = limits.memory_mb * _MEBI + self._virtual_bytes
        if self._uid is not None:
            bounds[resource.RLIMIT_NPROC] = 64  # the user is this call's own, so its threads alone are counted
        for which, bound in bounds.items():
            hard = resource.getrlimit(which)[1]
            bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(which, (bound, bound))


def _show(path: str, root: str) -> None:
    """Show a file or folder at its usual place below a root-to-be."""
    target = root + path
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if os.path.islink(path) and os.path.dirname(path) == "/":
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.bind(os.path.realpath(path), target, read_only=path not in _DEVICES)


def _virtual_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
