"""A corpus of hostile letters, pictures and templates, made by code; nothing in it is copied from an exploit."""
