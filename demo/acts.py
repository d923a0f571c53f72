"""Ways of tampering with a ledger behind the server's back: each with what the self-audit must say of it."""

from dataclasses import dataclass

from provenance.ledger.self_audit.schemas import Kind


@dataclass(frozen=True)
class Act:
    """SQL run by someone with the database's password; ``$1`` is the workspace, the log has 700 rows."""

    name: str
    sql: str
    found: tuple[tuple[Kind, int, int], ...]


def _swap(first: int, second: int) -> str:
    return f"""
    UPDATE interactions SET number = 100000 WHERE workspace_id = $1 AND number = {first};
    UPDATE interactions SET number = {first} WHERE workspace_id = $1 AND number = {second};
    UPDATE interactions SET number = {second} WHERE workspace_id = $1 AND number = 100000
    """


ACTS = (
    Act(
        "a row's content is edited",
        """UPDATE interactions SET content = replace(content, '"key"', '"axe"')
           WHERE workspace_id = $1 AND number = 7""",
        ((Kind.CONTENT, 7, 7),),
    ),
    Act(
        "a row's content is edited, with a digest to match",
        """UPDATE interactions SET content = '{"resourceId":"door-6"}',
           content_digest = sha256(salt || convert_to('{"resourceId":"door-6"}', 'UTF8'))
           WHERE workspace_id = $1 AND number = 7""",
        ((Kind.ENVELOPE, 7, 7),),
    ),
    Act(
        "a row's content is destroyed without an erasure",
        """UPDATE interactions SET content = NULL, salt = NULL, resource_id = NULL, user_id = NULL
           WHERE workspace_id = $1 AND number = 20""",
        ((Kind.GONE, 20, 20),),
    ),
    Act(
        "an erasure is invented for it",
        """UPDATE interactions SET content = NULL, salt = NULL, resource_id = NULL, user_id = NULL
           WHERE workspace_id = $1 AND number = 20;
           INSERT INTO erasures (workspace_id, id, kind, status, selector, reason, requested_by, requested_at, upto,
                                 shown, certificate)
           VALUES ($1, '00000000-0000-4000-8000-000000000001', 'erasure', 'finished', 'userId', 'r', 'b', 0, 700, '',
                   'no certificate');
           INSERT INTO erasure_ranges VALUES ($1, 20, 20, '00000000-0000-4000-8000-000000000001')""",
        ((Kind.GONE, 20, 20),),
    ),
    Act(
        "a row's envelope is edited",
        "UPDATE interactions SET recorded_by = 'someone' WHERE workspace_id = $1 AND number = 300",
        ((Kind.ENVELOPE, 300, 300),),
    ),
    Act(
        "a row is back-dated",
        "UPDATE interactions SET occurred_at = occurred_at - 86400000000000 WHERE workspace_id = $1 AND number = 690",
        ((Kind.ENVELOPE, 690, 690),),
    ),
    Act(
        "a row is filed under another resource",
        "UPDATE interactions SET resource_id = 'window' WHERE workspace_id = $1 AND number = 8",
        ((Kind.COLUMNS, 8, 8),),
    ),
    Act("two rows are swapped", _swap(11, 500), ((Kind.ENVELOPE, 11, 11), (Kind.ENVELOPE, 500, 500))),
    Act(
        "a row is deleted",
        "DELETE FROM interactions WHERE workspace_id = $1 AND number = 400",
        ((Kind.MISSING, 400, 400),),
    ),
    Act(
        "the tail is cut off",
        "DELETE FROM interactions WHERE workspace_id = $1 AND number > 650",
        ((Kind.MISSING, 651, 700),),
    ),
    Act(
        "the tail is cut off, and the log told so",
        """DELETE FROM interactions WHERE workspace_id = $1 AND number > 512;
           UPDATE logs SET size = 512 WHERE workspace_id = $1""",
        ((Kind.OLDER, 513, 700),),
    ),
    Act(
        "a stored tile is edited",
        "UPDATE log_tiles SET hashes = sha256('x') || substr(hashes, 33) "
        "WHERE workspace_id = $1 AND level = 0 AND index = 1",
        ((Kind.ENVELOPE, 257, 257),),
    ),
    Act(
        "a signed head is edited",
        "UPDATE log_checkpoints SET note = replace(note, E'\\n700\\n', E'\\n701\\n') WHERE workspace_id = $1",
        ((Kind.KEY, 1, 700),),
    ),
    Act(
        "the log's root is edited",
        "UPDATE logs SET root = sha256('x') WHERE workspace_id = $1",
        ((Kind.HEAD, 1, 700),),
    ),
)
