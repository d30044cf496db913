"""What comes back by mail: bounces, delays, proofs of delivery, complaints, automatic and real answers."""
