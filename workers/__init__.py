"""Roof: the only code that knows dramatiq; one module per queue, and no rule in any of them."""
