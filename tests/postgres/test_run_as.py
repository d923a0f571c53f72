"""Who runs the server: every way that is open to whoever runs these tests."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import provenance.postgres
from provenance.postgres import EmbeddedPostgres, account, binaries
from provenance.postgres.errors import FolderNotOurs, NotPermitted
from provenance.postgres.run_as import OsAccount, choose
from tests.postgres.processes import SUPERVISE, alive, supervisor, wait_until
from tests.postgres.sql import fetch

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root's ways around root need root")


@pytest.fixture(scope="module")
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are for one user alone."""
    folder = Path(tempfile.mkdtemp(prefix="pv-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def private_home(public_folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="home-", dir=public_folder))


@pytest.fixture(scope="module")
def os_account(public_folder: Path) -> Iterator[OsAccount]:
    """An account that does not exist until the first test needs it; it is removed at the end."""
    account = OsAccount(f"pvt{os.getpid()}", public_folder / "var-lib")
    yield account
    subprocess.run(["userdel", account.name], capture_output=True, check=False)


@pytest.fixture
def ordinary_user(public_folder: Path) -> Iterator[pwd.struct_passwd]:
    name = f"pvo{os.getpid()}"
    home = public_folder / name
    subprocess.run(["useradd", "--home-dir", str(home), "--create-home", name], check=True)
    home.chmod(0o700)
    yield pwd.getpwnam(name)
    subprocess.run(["userdel", name], check=True)


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@as_root
class TestRootInANamespace:
    async def test_below_a_private_home(self, private_home: Path) -> None:
        server = EmbeddedPostgres(private_home / "data", root_mode="namespace")
        with server as dsn:
            assert server.place.run_as.mode == "namespace"
            assert await fetch(dsn, "SELECT 1") == 1
            status = Path(f"/proc/{server.pid}/status").read_text()
            assert "CapEff:\t0000000000000000" in status
            assert (private_home / "data" / "postgres").stat().st_uid == 0
        assert private_home.stat().st_mode & 0o777 == 0o700

    def test_is_the_first_choice(self, tmp_path: Path) -> None:
        assert choose(tmp_path, binaries()).mode == "namespace"


@as_root
class TestRootWithAnAccount:
    async def test_below_a_private_home(self, private_home: Path, os_account: OsAccount) -> None:
        data = private_home / "data"
        server = EmbeddedPostgres(data, root_mode="account", os_account=os_account)
        with server as dsn:
            assert await fetch(dsn, "SELECT 1") == 1
            assert server.pid is not None
            assert owner(server.pid) == pwd.getpwnam(os_account.name).pw_uid != 0
            assert server.place.pgdata.is_relative_to(os_account.home / "clusters")
            assert server.place.run_as.binaries.root.is_relative_to(os_account.home / "programs")
        assert private_home.stat().st_mode & 0o777 == 0o700
        assert data.stat().st_mode & 0o777 == 0o700
        assert os_account.home.stat().st_mode & 0o777 == 0o710

    async def test_data_follows_when_the_way_changes(
        self, private_home: Path, os_account: OsAccount, made_once: Path
    ) -> None:
        data = private_home / "data"
        shutil.copytree(made_once, data, symlinks=True)
        with EmbeddedPostgres(data, root_mode="namespace") as dsn:
            await fetch(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
        for way in ("account", "namespace", "account"):
            with EmbeddedPostgres(data, root_mode=way, os_account=os_account) as dsn:
                assert await fetch(dsn, "SELECT n FROM kept") == 7

    async def test_in_its_own_folder_the_data_stays_there_and_no_secret_is_open(self, os_account: OsAccount) -> None:
        os_account.home.mkdir(exist_ok=True)
        os_account.home.chmod(0o700)
        server = EmbeddedPostgres(os_account.home, root_mode="account", os_account=os_account)
        with server as dsn:
            assert await fetch(dsn, "SELECT 1") == 1
            assert server.place.pgdata == os_account.home / "postgres"
            read = subprocess.run(
                ["/bin/cat", str(os_account.home / "postgres.password")],
                user=server.place.run_as.uid,
                capture_output=True,
                check=False,
            )
            assert b"Permission denied" in read.stderr

    def test_looking_makes_nothing(self, tmp_path: Path, public_folder: Path) -> None:
        os_account = OsAccount("pv-of-nobody", public_folder / "never")
        found = choose(tmp_path, binaries(), "account", os_account=os_account, create=False)
        assert "will be made" in found.reason
        with pytest.raises(KeyError):
            pwd.getpwnam(os_account.name)
        assert not os_account.home.exists()


@as_root
class TestDataOfSomebodyElse:
    def test_root_leaves_a_cluster_of_an_ordinary_user_alone(self, tmp_path: Path, made_once: Path) -> None:
        data = shutil.copytree(made_once, tmp_path / "data", symlinks=True)
        account.give(data / "postgres", 4321, 4321)
        with pytest.raises(FolderNotOurs, match="user 4321"):
            EmbeddedPostgres(data).start()
        assert (data / "postgres" / "PG_VERSION").stat().st_uid == 4321


@as_root
class TestRootWithoutAWay:
    def test_is_told_the_cure(self, tmp_path: Path, public_folder: Path) -> None:
        impossible = OsAccount("not an account name!", public_folder / "var-lib")
        with pytest.raises(NotPermitted, match="useradd --system --no-create-home"):
            choose(tmp_path, binaries(), "account", os_account=impossible)

    def test_a_kernel_without_namespaces_is_noticed(self, tmp_path: Path) -> None:
        """In a namespace of ours we may forbid further ones, without touching the machine's own limit."""
        script = (
            "import sys; from pathlib import Path\n"
            "from provenance.postgres import binaries\n"
            "from provenance.postgres.run_as import choose\n"
            f"print(choose(Path({str(tmp_path)!r}), binaries(), 'namespace'))\n"
        )
        inside = f'echo 0 > /proc/sys/user/max_user_namespaces && exec {sys.executable} -c "$0"'
        result = subprocess.run(
            ["unshare", "--user", "--map-root-user", "/bin/sh", "-c", inside, script],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "NotPermitted" in result.stderr
        assert "unshare(CLONE_NEWUSER)" in result.stderr
        assert "max_user_namespaces" in result.stderr


class TestOrdinaryUser:
    async def test_runs_it_below_a_private_home(self, request: pytest.FixtureRequest, public_folder: Path) -> None:
        if os.geteuid() != 0:
            home = public_folder / "home"
            home.mkdir(mode=0o700)
            with EmbeddedPostgres(home / "data") as dsn:
                assert await fetch(dsn, "SELECT 1") == 1
            return
        user: pwd.struct_passwd = request.getfixturevalue("ordinary_user")
        site = public_site(public_folder)
        shutil.copy(SUPERVISE, site)
        with supervisor(
            Path(user.pw_dir) / "data",
            (python_of(user.pw_uid), "-B"),
            script=str(site / "supervise.py"),
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": str(site), "PATH": os.environ["PATH"], "HOME": user.pw_dir},
        ) as running:
            assert owner(running.postmaster) == user.pw_uid
            assert f"/tmp/pv-{user.pw_uid}-" in running.dsn
            assert await fetch(running.dsn, "SELECT 1") == 1
            running.kill()
            wait_until(lambda: not alive(running.postmaster) and not alive(running.watchdog), 10)
            Path(running.dsn.partition("host=")[2]).rmdir()


def public_site(folder: Path) -> Path:
    """A copy of the package and of the programs that everybody can read; ours may be in a private home."""
    site = folder / "site"
    package = Path(provenance.postgres.__file__).parent
    shutil.copytree(package, site / "provenance" / "postgres", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "provenance" / "__init__.py").touch()
    for tree in binaries().trees():
        copy = site / tree.relative_to(binaries().site)
        shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("include"))
    wheel = site / binaries().root.parent.name
    (wheel / "__init__.py").write_text("raise AssertionError('must not be executed')\n")
    return site


def python_of(uid: int) -> str:
    """A Python that this user can run: ours may lie below a private home."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        probe = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(probe, user=uid, cwd="/", capture_output=True, check=False).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.fail("no Python 3.11 that an ordinary user can run: this test needs one")
