"""The verifiable log of each workspace: tiles, signed checkpoints, proofs (spec/proof.md, sections 2 to 4).

Owns `logs`, `log_tiles`, `log_checkpoints` and `log_keys`; listens to no event: the integrator follows the numbers.
"""
