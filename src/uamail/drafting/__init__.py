"""Drafting: an Urgent Action as it is published (.docx, .html, .md, .txt) becomes the draft of an action file.

What a document says is taken over, what it leaves open is a doubt beside the field, and nothing is invented.
"""
