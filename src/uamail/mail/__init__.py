"""Craft: e-mail. Addresses, messages, the SMTP door and what relays reply."""
