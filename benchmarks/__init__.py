"""Measurements: this program beside others that do a part of the same work, as ratios of one run on one machine."""
