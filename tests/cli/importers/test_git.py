import subprocess
from pathlib import Path

import pytest

from provenance.cli.importers.contract import BadSource, Record
from provenance.cli.importers.git import GitHistory, repository_name
from provenance.cli.importers.units import commit_unit


def git(folder: Path, *arguments: str, date: str = "2024-01-15T10:30:00+02:00") -> str:
    identity = {"NAME": "Ada L", "EMAIL": "ada@example.com", "DATE": date}
    people = {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER") for key, value in identity.items()}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        check=True,
        text=True,
        env={**people, "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder)},
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def commit(folder: Path, message: str, *paths: str, date: str = "2024-01-15T10:30:00+02:00") -> str:
    for path in paths:
        (folder / path).write_text(message)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message, date=date)
    return git(folder, "rev-parse", "HEAD")


def records(folder: Path) -> list[Record]:
    found = list(GitHistory().records(str(folder)))
    assert all(isinstance(each, Record) for each in found)
    return [each for each in found if isinstance(each, Record)]


class TestRecords:
    def test_a_commit_reads_as_an_interaction(self, repository: Path) -> None:
        git(repository, "remote", "add", "origin", "https://github.com/octo/hello.git")
        sha = commit(repository, "Add ümlaut\n\nWhy: 👤\nBecause.", "a b.txt", "ü.txt")

        (record,) = records(repository)

        assert record.item == {
            "idempotencyKey": f"git:octo/hello:{sha}",
            "resourceType": "COMMIT",
            "resourceId": f"octo/hello@{sha}",
            "action": "COMMIT",
            "origin": "GIT",
            "userId": "ada@example.com",
            "uowId": commit_unit("octo/hello", sha),
            "timestamp": "2024-01-15T10:30:00+02:00",
            "relatedResources": [
                {"resourceType": "REPOSITORY", "resourceId": "octo/hello", "role": "affected"},
                {"resourceType": "FILE", "resourceId": "octo/hello/a b.txt", "role": "affected"},
                {"resourceType": "FILE", "resourceId": "octo/hello/ü.txt", "role": "affected"},
            ],
            "interaction": {
                "subject": "Add ümlaut",
                "body": "Why: 👤\nBecause.",
                "author": {"name": "Ada L", "email": "ada@example.com", "date": "2024-01-15T10:30:00+02:00"},
                "committer": {
                    "name": "Ada L",
                    "email": "ada@example.com",
                    "date": "2024-01-15T10:30:00+02:00",
                },
                "parents": [],
                "filesChanged": 2,
                "files": [{"status": "A", "path": "a b.txt"}, {"status": "A", "path": "ü.txt"}],
            },
        }

    def test_every_branch_and_tag_parents_first_merges_named(self, repository: Path) -> None:
        first = commit(repository, "first", "a")
        git(repository, "checkout", "-q", "-b", "side")
        second = commit(repository, "second", "b")
        git(repository, "checkout", "-q", "main")
        third = commit(repository, "third", "c")
        git(repository, "merge", "-q", "--no-ff", "-m", "merge", "side")
        git(repository, "checkout", "-q", "-b", "loose", first)
        tagged = commit(repository, "tagged")
        git(repository, "tag", "v1")
        git(repository, "checkout", "-q", "main")
        git(repository, "branch", "-q", "-D", "loose")

        found = records(repository)
        shas = [each.item["resourceId"].partition("@")[2] for each in found]

        assert set(shas) >= {first, second, third, tagged}
        assert shas.index(first) < min(shas.index(second), shas.index(third), shas.index(tagged))
        assert [each.item["action"] for each in found].count("MERGE") == 1
        assert GitHistory().total(str(repository)) == len(found) == 5

    def test_deleted_files_empty_commits_and_separators_in_messages(self, repository: Path) -> None:
        commit(repository, "A\tx\n" + "0" * 40, "gone")
        (repository / "gone").unlink()
        commit(repository, "second")
        commit(repository, "empty")

        found = [each.item["interaction"] for each in records(repository)]

        assert [each["subject"] for each in found] == ["A\tx", "second", "empty"]
        assert found[1]["files"] == [{"status": "D", "path": "gone"}]
        assert found[2]["files"] == []

    def test_many_files_are_counted_not_all_listed(self, repository: Path) -> None:
        commit(repository, "many", *(f"f{number}" for number in range(600)))

        (record,) = records(repository)

        assert record.item["interaction"]["filesChanged"] == 600
        assert len(record.item["interaction"]["files"]) == 500
        assert len(record.item["relatedResources"]) == 1

    def test_an_empty_repository_has_none(self, repository: Path) -> None:
        assert records(repository) == []
        assert GitHistory().total(str(repository)) == 0

    def test_the_repositorys_configuration_changes_nothing(self, repository: Path, tmp_path: Path) -> None:
        commit(repository, "first", "a")
        before = records(repository)
        witness = tmp_path / "ran"
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\ntouch {witness}\n")
        program.chmod(0o755)
        for key in ("gpg.program", "core.pager", "diff.external", "core.fsmonitor"):
            git(repository, "config", key, str(program))
        git(repository, "config", "log.showSignature", "true")
        git(repository, "config", "log.date", "relative")
        git(repository, "config", "i18n.logOutputEncoding", "ISO-8859-1")

        assert records(repository) == before
        assert not witness.exists()

    def test_no_repository_is_a_bad_source(self, tmp_path: Path) -> None:
        with pytest.raises(BadSource, match="not a git repository"):
            records(tmp_path)

    def test_the_fingerprint_changes_with_a_commit(self, repository: Path) -> None:
        commit(repository, "first")
        before = GitHistory().fingerprint(str(repository))
        commit(repository, "second")

        assert GitHistory().fingerprint(str(repository)) != before


class TestRepositoryName:
    @pytest.mark.parametrize(
        ("remote", "name"),
        [
            ("https://github.com/octo/hello.git", "octo/hello"),
            ("https://token@github.com/octo/hello", "octo/hello"),
            ("git@github.com:octo/hello.git", "octo/hello"),
            ("ssh://git@host:2222/group/sub/hello.git/", "group/sub/hello"),
            ("/srv/git/hello.git", "work"),
            ("file:///srv/git/hello.git", "work"),
        ],
    )
    def test_is_what_the_remote_calls_it(self, repository: Path, remote: str, name: str) -> None:
        git(repository, "remote", "add", "origin", remote)

        assert repository_name(str(repository)) == name
