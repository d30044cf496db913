"""The web roof: HTTP in front of one installation; a reverse proxy with TLS stands before it."""
