"""Units of work that importers agree on, so that a commit, its checks and its review are one trace."""

import uuid

NAMESPACE = uuid.UUID("a3f1c2a2-5d0e-5b0a-9a53-0f2f6f3f9a11")
"""The namespace of imported units; it must never change, or a second import would group differently."""


def unit(name: str) -> str:
    """Return the unit of work of whatever a name stands for, always the same one."""
    return str(uuid.uuid5(NAMESPACE, name))


def commit_unit(repository: str, sha: str) -> str:
    """Return the unit of work of a commit: `owner/repo@sha`."""
    return unit(f"{repository}@{sha}")


def thread_unit(repository: str, number: int) -> str:
    """Return the unit of work of an issue, pull request or discussion (they share numbers).

    `owner/repo#12`.
    """
    return unit(f"{repository}#{number}")
