"""Craft: evidence. A Merkle tree over audit events, its checkpoints and proofs."""
