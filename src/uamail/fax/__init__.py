"""The craft of fax: the spool directory that a fax server reads from and writes its results into."""
