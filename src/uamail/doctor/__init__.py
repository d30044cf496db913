"""The doctor: looks a home over before letters go out: the house itself, its relays, and its domain in the DNS."""
