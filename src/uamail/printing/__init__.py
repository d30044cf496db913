"""Craft: paper. Letters to pages, labels, covers and what a print house needs with them."""
