"""What happens to what was logged when processes are killed, forked, or simply end."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from provenance_client import create_sync
from tests.client.conftest import MakeRecorder
from tests.client.standin import EVENT, KEY, StandIn

PROGRAM = """
import os, sys
from provenance_client import create_sync
provenance = create_sync(
    api_url=sys.argv[1], api_key=sys.argv[2], origin="TEST", spool_dir=sys.argv[3], linger=0.0, adopt_every=0.2
)
def log(**more):
    fields = {"resource_type": "USER", "resource_id": "r", "action": "A", **more}
    os.write(1, provenance.log(**fields).encode() + b"\\n")
"""


class Program:
    """A client process that runs `PROGRAM` and then a piece of code; prints the span id of each log()."""

    def __init__(self, url: str, folder: Path, code: str, key: str = KEY) -> None:
        arguments = [sys.executable, "-c", PROGRAM + textwrap.dedent(code), url, key, str(folder)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.out = self.process.stdout

    def printed(self, count: int) -> list[str]:
        return [self.out.readline().strip() for _ in range(count)]

    def kill(self) -> list[str]:
        """SIGKILL; answers what it printed before it died."""
        self.process.send_signal(signal.SIGKILL)
        rest = [line.strip() for line in self.out if line.endswith("\n")]
        self.process.wait()
        self.out.close()
        return rest

    def finish(self) -> list[str]:
        with self.out:
            lines = [line.strip() for line in self.out]
        assert self.process.wait() == 0
        return lines


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


FOREVER = """
import itertools
for number in itertools.count():
    log(interaction={"n": number})
"""


class TestKill:
    def test_server_down_client_killed_and_restarted_loses_nothing_and_stores_once(
        self, unused_port: int, tmp_path: Path
    ) -> None:
        url = f"http://127.0.0.1:{unused_port}"
        logged: list[str] = []
        for _ in range(3):
            program = Program(url, tmp_path, FOREVER)
            logged += program.printed(200) + program.kill()
        server = StandIn(unused_port)
        with create_sync(api_url=url, api_key=KEY, origin="TEST", spool_dir=tmp_path) as provenance:
            server.wait_for(lambda found: set(logged) <= set(found.spans()), timeout=30)
            assert provenance.stats().adopted >= len(logged)
        spans = server.spans()
        assert len(spans) == len(set(spans))
        # The kill may fall between the write and the print: then one more was recorded than we know of.
        assert 0 <= len(spans) - len(logged) <= 3
        assert not list(tmp_path.glob("*.spool"))
        server.close()

    def test_killed_while_sending(self, server: StandIn, tmp_path: Path) -> None:
        logged: list[str] = []
        for round_ in range(4):
            program = Program(server.url, tmp_path, FOREVER)
            logged += program.printed(100)
            server.wait_for(lambda found, at_least=50 * (round_ + 1): len(found.rows) >= at_least)
            logged += program.kill()
        with create_sync(api_url=server.url, api_key=KEY, origin="TEST", spool_dir=tmp_path):
            server.wait_for(lambda found: set(logged) <= set(found.spans()), timeout=30)
        assert len(server.spans()) == len(set(server.spans()))

    def test_a_living_process_adopts_from_a_dead_one(self, unused_port: int, tmp_path: Path) -> None:
        url = f"http://127.0.0.1:{unused_port}"
        dying = Program(url, tmp_path, FOREVER)
        logged = dying.printed(10)
        living = Program(url, tmp_path, "log()\nimport time\ntime.sleep(60)")
        living.printed(1)
        logged += dying.kill()
        server = StandIn(unused_port)
        server.wait_for(lambda found: set(logged) <= set(found.spans()), timeout=30)
        living.kill()
        server.close()

    def test_a_crash_loop_leaves_many_files(self, unused_port: int, tmp_path: Path) -> None:
        code = """
        for _ in range(16):
            if os.fork() == 0:
                log()
                os.kill(os.getpid(), 9)
            os.wait()
        """
        logged = Program(f"http://127.0.0.1:{unused_port}", tmp_path, code).finish()
        assert len(list(tmp_path.glob("*.spool"))) >= 12
        server = StandIn(unused_port)
        with create_sync(api_url=server.url, api_key=KEY, origin="TEST", spool_dir=tmp_path):
            server.wait_for(lambda found: len(found.rows) == 16)
        assert sorted(server.spans()) == sorted(logged)
        server.close()

    def test_two_living_processes_keep_apart(self, server: StandIn, tmp_path: Path) -> None:
        code = "for _ in range(300): log()\nprovenance.close(20)"
        programs = [Program(server.url, tmp_path, code) for _ in range(3)]
        logged = [span for program in programs for span in program.finish()]
        assert sorted(server.spans()) == sorted(logged)
        assert not list(tmp_path.glob("*.spool"))


class TestExit:
    def test_the_end_of_the_program_flushes(self, server: StandIn, tmp_path: Path) -> None:
        logged = Program(server.url, tmp_path, "for _ in range(5): log()").finish()
        assert server.spans() == logged

    def test_without_a_server_the_end_leaves_it_on_disk(self, unused_port: int, tmp_path: Path) -> None:
        code = "log()\nprovenance.close(0.0)"
        (span,) = Program(f"http://127.0.0.1:{unused_port}", tmp_path, code).finish()
        server = StandIn(unused_port)
        with create_sync(api_url=server.url, api_key=KEY, origin="TEST", spool_dir=tmp_path):
            server.wait_for(lambda found: found.spans() == [span])
        server.close()


class TestFork:
    def test_parent_and_child_each_have_their_own_file(self, server: StandIn, tmp_path: Path) -> None:
        code = """
        import os
        before = provenance.stats().spool
        log(action="BEFORE")
        child = os.fork()
        log(action="CHILD" if child == 0 else "PARENT")
        if child == 0:
            assert provenance.stats().spool != before and provenance.stats().logged == 1
            provenance.close(10)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        log(action="AFTER")
        assert provenance.stats().spool == before
        """
        logged = Program(server.url, tmp_path, code).finish()
        assert len(logged) == 4
        assert sorted(server.spans()) == sorted(logged)
        assert sorted(row["action"] for row in server.rows) == ["AFTER", "BEFORE", "CHILD", "PARENT"]

    def test_a_child_that_never_logs_keeps_nothing_of_the_parent(self, unused_port: int, tmp_path: Path) -> None:
        code = """
        import os, time
        log()
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            time.sleep(60)
        """
        program = Program(f"http://127.0.0.1:{unused_port}", tmp_path, code)
        span, child = program.printed(2)
        os.kill(program.process.pid, signal.SIGKILL)
        program.process.wait()
        server = StandIn(unused_port)
        with create_sync(api_url=server.url, api_key=KEY, origin="TEST", spool_dir=tmp_path, adopt_every=0.1):
            server.wait_for(lambda found: found.spans() == [span])
        os.kill(int(child), signal.SIGKILL)
        program.out.close()
        server.close()

    def test_forking_while_everything_is_busy(self, server: StandIn, tmp_path: Path) -> None:
        code = """
        import os, threading
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                log()
        threads = [threading.Thread(target=busy) for _ in range(2)]
        for thread in threads: thread.start()
        for _ in range(8):
            child = os.fork()
            if child == 0:
                log(action="CHILD")
                os._exit(0 if provenance.flush(20) else 1)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads: thread.join()
        provenance.close(20)
        """
        logged = Program(server.url, tmp_path, code).finish()
        with create_sync(api_url=server.url, api_key=KEY, origin="TEST", spool_dir=tmp_path):
            server.wait_for(lambda found: len(found.rows) >= len(logged))
        assert sorted(server.spans()) == sorted(logged)
        assert sum(row["action"] == "CHILD" for row in server.rows) == 8

    def test_rest_client_is_new_in_the_child(self, server: StandIn, tmp_path: Path) -> None:
        code = """
        import os, json
        first = provenance.api()
        first.health()
        child = os.fork()
        if child == 0:
            os._exit(0 if provenance.api() is not first and provenance.api().health() else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert provenance.api() is first and first.health()
        """
        assert Program(server.url, tmp_path, code).finish() == []


class TestThreads:
    def test_many_threads_log_at_once(self, server: StandIn, recording: MakeRecorder) -> None:
        provenance = recording(linger=0.0)
        logged: list[str] = []

        def work() -> None:
            logged.extend(provenance.log(**EVENT) for _ in range(200))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert provenance.flush()
        assert sorted(server.spans()) == sorted(logged)

    def test_a_signal_handler_may_log(self, server: StandIn, tmp_path: Path) -> None:
        code = """
        import signal
        def handler(*_):
            provenance.log(resource_type="USER", resource_id="r", action="SIGNAL")
            # Armed anew at the end: on a busy machine handlers would interrupt each other without end.
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        for _ in range(3000):
            provenance.log(resource_type="USER", resource_id="r", action="A")
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        stats = provenance.stats()
        provenance.close(20)
        print(stats.logged)
        """
        (count,) = Program(server.url, tmp_path, code).finish()
        assert len(server.rows) == int(count) > 3000
        assert json.loads(server.requests[0][3])["items"]
