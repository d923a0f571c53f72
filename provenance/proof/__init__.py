"""The proof library: canonical form, hashes and Merkle proofs, as pure functions without any I/O.

It owns no table, listens to no event and imports nothing of the product, so the same code seals a record
in the server and checks it on a machine that has neither server nor network (spec/proof.md).
"""
