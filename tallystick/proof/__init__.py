"""Proof: a transparency log over the journal, signed checkpoints, and evidence that anyone can check offline.

Pure: bytes in, answers out. Formats are those of RFC 6962 / RFC 9162 (Merkle tree), RFC 8785 (canonical JSON), C2SP
(signed notes, checkpoints, cosignatures, tiles) and DSSE / in-toto; docs/reference/proof-format.md says how they are
put together, so that somebody else can write a verifier from that page alone.
"""
