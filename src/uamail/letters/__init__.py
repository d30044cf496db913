"""Craft: words. One letter for one target in one language."""
