"""Craft: action files to values and back."""
