"""Witnessing (spec/proof.md, 4; c2sp.org/tlog-witness): others cosign our heads, and we cosign theirs.

Owns `witnesses`, `witness_rounds` and `witness_answers` (whom we ask, when, and what they said), `witnessed_logs` and
`witness_keys` (whose logs we cosign, and with which key); listens to no event: the rounds follow the logs' heads.
"""
