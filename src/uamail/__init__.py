"""uamail turns signed Urgent Action appeals into e-mails and print batches, and keeps the record."""

__version__ = "0.1.0"
