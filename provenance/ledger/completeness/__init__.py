"""Completeness: one verifiable map per workspace of which entries name a resource, a user, a unit of work
(spec/proof.md, section 5; decision 21).

Owns `completeness_maps`, `completeness_buckets` and `completeness_tiles`; listens to no event: the follower goes by
the signed size of the log.
"""
