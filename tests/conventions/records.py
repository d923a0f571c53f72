"""What each successful write leaves in the ledger, and what a refused one may."""

LEFT: dict[str, tuple[tuple[str, ...], ...]] = {}
REFUSALS: dict[str, tuple[str, ...]] = {}
AFTERWARDS: frozenset[str] = frozenset()
