"""Evidence: records chosen by a filter, with all that proves them, in one zip for someone without this server.

Owns `evidence_packs`: what was asked, which rows were found and which signed head they are proven by. The zip itself
is written when it is downloaded, the same bytes each time (spec/proof.md, section 7). Listens to no event.
"""
