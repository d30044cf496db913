"""Roof: the operator's verbs, one module per noun."""

from uamail.cli.app import main

__all__ = ["main"]
