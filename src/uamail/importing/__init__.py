"""Craft: files in. Tables of signatures from other systems."""
