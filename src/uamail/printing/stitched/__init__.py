"""The stitched lane: a constant page laid out once, and each letter's own words set on it by HarfBuzz."""
