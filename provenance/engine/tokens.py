"""The opaque name of a wait, which a run hands to whoever will end it."""

import uuid


def wait_token(run_id: uuid.UUID, step_key: str, iteration: int) -> str:
    """Name a wait of a run."""
    return f"{run_id}:{step_key}:{iteration}"


def token_parts(token: str) -> tuple[uuid.UUID, str, int]:
    """Read what `wait_token` wrote. Raises ValueError for anything else."""
    run_id, step_key, iteration = token.split(":")
    return uuid.UUID(run_id), step_key, int(iteration)
