"""What code in the sandbox tries and does not get: each attempt ends in one clear line, and neighbours notice nothing.

`docs/reference/threat-model.md` names these tests line by line.
"""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from provenance.skills.sandbox.level import Level
from tests.skills.sandbox.conftest import RunCode

SYSCALL = "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)\n"


def error(outcome: Any) -> dict[str, str]:
    assert outcome.error is not None, outcome.output
    found: dict[str, str] = outcome.error
    assert "\n" not in found["message"], "one line"
    return found


class TestFiles:
    @pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/proc/1/environ", "/proc/self/environ", "/sys"])
    async def test_a_file_outside_is_not_read(self, run_code: RunCode, path: str) -> None:
        found = error(await run_code(f"return open({path!r}).read()"))
        assert found["code"] in ("sandbox_refused", "skill_failed")
        assert "main.py, line 2" in found["message"]
        assert "No such file" in found["message"] or "does not allow this" in found["message"]

    async def test_our_own_files_are_not_there(self, run_code: RunCode) -> None:
        here = str(Path(__file__).resolve())
        found = error(await run_code(f"return open({here!r}).read()"))
        assert "No such file" in found["message"] or found["code"] == "sandbox_refused"

    async def test_the_package_is_read_and_not_written(self, run_code: RunCode) -> None:
        read = await run_code(
            "import os\nreturn [os.path.basename(each) for each in os.listdir(os.path.dirname(__file__))]"
        )
        assert read.output == ["main.py"]
        assert error(await run_code("open(__file__, 'a').write('x')"))["code"] in ("sandbox_refused", "skill_failed")

    async def test_the_private_folder_is_empty_each_time_and_bounded(self, run_code: RunCode) -> None:
        assert (await run_code("import os\nopen('kept', 'w').write('x')\nreturn os.listdir('.')")).output == ["kept"]
        assert (await run_code("import os\nreturn os.listdir('.')")).output == []
        big = "with open('big', 'wb') as f:\n    for _ in range(50):\n        f.write(bytes(1 << 20))"
        assert "File too large" in error(await run_code(big, private_mb=4))["message"]

    async def test_many_files_do_not_fill_the_disk(self, run_code: RunCode, needs_mounts: None) -> None:
        body = "for n in range(40):\n    open(str(n), 'wb').write(bytes(1 << 20))"
        assert "No space left" in error(await run_code(body, private_mb=8))["message"]

    async def test_no_device_and_no_program_is_made(self, run_code: RunCode) -> None:
        body = "import os\nos.mknod('disk', 0o60666, os.makedev(8, 0))"
        assert error(await run_code(body))["code"] == "sandbox_refused"
        body = "import os\nos.execv('/bin/sh', ['sh'])"
        assert error(await run_code(body))["code"] in ("sandbox_refused", "skill_failed")

    async def test_an_inherited_descriptor_leads_nowhere(self, run_code: RunCode) -> None:
        body = """
            import os, stat
            kinds = []
            for each in range(3, 256):
                try:
                    kinds.append(stat.S_IFMT(os.fstat(each).st_mode))
                except OSError:
                    pass
            return [stat.S_ISDIR(kind) or stat.S_ISSOCK(kind) for kind in kinds]
        """
        assert True not in (await run_code(body)).output


class TestNetwork:
    @pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
    async def test_no_socket_is_opened(self, run_code: RunCode, family: str) -> None:
        found = error(await run_code(f"import socket\nsocket.socket(socket.{family})"))
        assert found["code"] == "sandbox_refused"
        assert f"socket.socket(socket.{family})" in found["message"]

    async def test_a_server_on_this_machine_is_not_reached(self, run_code: RunCode) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            found = error(await run_code(f"import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{port}')"))
            assert "not permitted" in found["message"] or found["code"] == "sandbox_refused"

    async def test_without_an_egress_the_platform_sends_nothing(self, run_code: RunCode) -> None:
        body = "from provenance_skill import request\nrequest('GET', 'https://example.com/')"
        assert error(await run_code(body))["code"] == "egress_refused"


class TestProcesses:
    async def test_a_fork_bomb_does_not_begin(self, run_code: RunCode) -> None:
        found = error(await run_code("import os\nwhile True:\n    os.fork()"))
        assert found == {
            "code": "sandbox_refused",
            "message": "The sandbox does not allow this (main.py, line 4): os.fork()",
        }

    async def test_nor_by_other_means(self, run_code: RunCode) -> None:
        for call in ("subprocess.run(['true'])", "os.posix_spawn('/bin/true', ['true'], {})", "os.system('true')"):
            outcome = await run_code(f"import os, subprocess\nreturn {call}")
            assert outcome.error is not None or outcome.output not in (0,), call

    async def test_threads_are_allowed_within_reason(self, run_code: RunCode) -> None:
        body = """
            import threading
            seen = []
            threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(8)]
            for each in threads: each.start()
            for each in threads: each.join()
            return sorted(seen)
        """
        assert (await run_code(body)).output == list(range(8))

    async def test_a_thread_bomb_ends_with_its_call(self, run_code: RunCode) -> None:
        body = "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(60,)).start()"
        assert error(await run_code(body, seconds=5.0))["code"] in ("skill_failed", "memory_exceeded", "timeout")

    async def test_others_are_not_traced(self, run_code: RunCode) -> None:
        found = error(
            await run_code(
                f"{SYSCALL}if libc.ptrace(16, {os.getpid()}, 0, 0): raise OSError(ctypes.get_errno(), 'ptrace')"
            )
        )
        assert found["code"] == "sandbox_refused"

    async def test_others_are_not_seen_in_proc(self, run_code: RunCode) -> None:
        found = error(await run_code("import os\nreturn os.listdir('/proc')"))
        assert "No such file" in found["message"] or found["code"] == "sandbox_refused"

    async def test_others_are_not_signalled(self, run_code: RunCode) -> None:
        found = error(await run_code(f"import os\nos.kill({os.getpid()}, 0)"))
        assert found["code"] == "sandbox_refused"

    async def test_it_is_not_root_and_can_not_become_it(self, run_code: RunCode, level: Level) -> None:
        uids = (await run_code("import os\nreturn os.getresuid()")).output
        assert 0 not in uids
        assert error(await run_code("import os\nos.setuid(0)"))["code"] == "sandbox_refused"

    @pytest.mark.parametrize(
        ("name", "number"),
        [
            ("unshare", 272),
            ("mount", 165),
            ("bpf", 321),
            ("io_uring_setup", 425),
            ("keyctl", 250),
            ("x32 write", 1 << 30),
        ],
    )
    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="NOT TESTED: the numbers are those of x86-64")
    async def test_the_kernel_is_not_reached(self, run_code: RunCode, name: str, number: int) -> None:
        outcome = await run_code(f"{SYSCALL}r = libc.syscall({number}, 0, 0, 0, 0)\nreturn [r, ctypes.get_errno()]")
        assert outcome.output[0] == -1
        assert outcome.output[1] in (1, 38)


class TestResources:
    async def test_two_gigabytes_are_not_given(self, run_code: RunCode) -> None:
        found = error(await run_code("return len(bytearray(2 << 30))"))
        assert found["code"] == "memory_exceeded"
        assert "main.py, line 2" in found["message"]

    async def test_memory_that_grows_slowly_is_bounded_too(self, run_code: RunCode) -> None:
        body = "kept = []\nwhile True:\n    kept.append(bytearray(1 << 20))"
        outcome = await run_code(body, memory_mb=64)
        assert error(outcome)["code"] == "memory_exceeded"
        assert outcome.peak_kb < 200_000

    async def test_an_endless_loop_is_stopped_in_time(self, run_code: RunCode) -> None:
        outcome = await run_code("while True:\n    pass", seconds=0.3)
        assert error(outcome) == {
            "code": "timeout", "message": "The skill was stopped: it ran longer than 0.3 seconds.",
        }  # fmt: skip
        assert outcome.duration_ms < 10_000

    async def test_a_sleep_is_stopped_too_and_signals_do_not_help(self, run_code: RunCode) -> None:
        body = """
            import signal, time
            for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                try: signal.signal(each, signal.SIG_IGN)
                except OSError: pass
            while True: time.sleep(60)
        """
        assert error(await run_code(body, seconds=0.3))["code"] == "timeout"

    async def test_a_gigabyte_of_output_is_cut_off(self, run_code: RunCode) -> None:
        found = error(await run_code("for _ in range(1024):\n    print('x' * (1 << 20))"))
        assert found == {"code": "output_too_large", "message": "The skill was stopped: it wrote more than 6 MiB."}
        assert error(await run_code("return 'x' * (7 << 20)"))["code"] == "output_too_large"

    async def test_a_crash_is_told(self, run_code: RunCode) -> None:
        assert error(await run_code(f"{SYSCALL}ctypes.string_at(0)")) == {
            "code": "crashed", "message": "The skill crashed (SIGSEGV).",
        }  # fmt: skip

    async def test_an_answer_that_is_forged_is_only_its_own(self, run_code: RunCode) -> None:
        body = """
            import os
            for each in range(3, 20):
                try: os.write(each, b'no json')
                except OSError: pass
            os._exit(0)
        """
        assert error(await run_code(body))["code"] == "no_output"


class TestNeighbours:
    async def test_neighbours_are_unharmed(self, run_code: RunCode) -> None:
        attacks = [
            "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
            "while True:\n    try: kept = [bytearray(1 << 24) for _ in range(1000)]\n    except MemoryError: pass",
            "while True:\n    print('x' * 100000)",
            "import os\nwhile True:\n    try: os.kill(-1, 9)\n    except OSError: pass",
            f"{SYSCALL}while True:\n    libc.ptrace(16, {os.getpid()}, 0, 0)",
            "import socket\nwhile True:\n    try: socket.socket()\n    except OSError: pass",
            "while True:\n    pass",
        ]
        attacked = [asyncio.create_task(run_code(body, seconds=1.0)) for body in attacks]
        neighbours = [await run_code("return sum(range(input))", 1000) for _ in range(5)]
        assert [each.output for each in neighbours] == [499500] * 5
        assert [(await each).error is not None for each in attacked] == [True] * len(attacks)

    async def test_no_call_leaves_anything_to_the_next(self, run_code: RunCode) -> None:
        body = """
            import builtins, os
            seen = hasattr(builtins, 'mine')
            builtins.mine = 1
            return [seen, dict(os.environ)]
        """
        for _ in range(3):
            seen, environment = (await run_code(body)).output
            assert seen is False
            assert set(environment) == {"HOME", "TMPDIR", "LANG", "PATH"}

    async def test_randomness_is_not_shared(self, run_code: RunCode) -> None:
        body = "import random, os\nreturn [random.random(), os.urandom(4).hex()]"
        found = [tuple((await run_code(body)).output) for _ in range(4)]
        assert len({each for pair in found for each in pair}) == 8
