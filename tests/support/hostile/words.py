"""Hostile words: what a supporter could write into a field of a form."""

OUTSIDE = "http://127.0.0.1:9/"

MARKUP = (
    "<script>alert(1)</script>",
    '<img src="file:///etc/passwd">',
    f"<img src={OUTSIDE}a.png>",
    '<svg onload="alert(1)"><image href="file:///etc/passwd"/></svg>',
    f"<style>@import url({OUTSIDE}a.css)</style>",
    "<style>* { display: none }</style>",
    '<link rel="attachment" href="file:///etc/passwd">',
    "</div></article><h1>Another letter</h1>",
    "<!-- hidden --> <![CDATA[ x ]]>",
    '" style="background: url(file:///etc/passwd)" x="',
    "' onclick='alert(1)",
    f"<a href='{OUTSIDE}'>here</a> javascript:alert(1)",
    "&lt;b&gt; &#60;b&#62; &amp;amp; &nbsp;",
    "{{ 7 * 7 }} {% for x in y %} {# gone #}",
    "{{ ''.__class__.__mro__ }}",
    "${7*7} #{7*7} %(name)s {0} %s",
    "\\u003cb\\u003e \\x3cb\\x3e",
    "string(ref) content: counter(page) }",
    "BT /F1 12 Tf (x) Tj ET endstream endobj",
    "=cmd|' /C calc'!A1",
    "../../../../etc/passwd",
    "--sandbox=no; rm -rf /",
)
"""They come out on paper as they were written."""

BARRED = (
    "Anna\u202eannA",
    "Anna\u2066",
    "Anna\u2069",
    "A\u0300\u0301\u0302\u0303\u0304\u0305",
    "Anna\0Bea",
    "Anna\x1b[31m",
    "Anna\nBcc: b@example.org",
    "Anna\x85Bea",
    "Anna\u2028Bea",
    "Anna\ufffd",
    "Anna\ufdd0",
    "Anna\ud800",
    "Anna\U000e0041",
    "An\u200dna",
    "\u0301\u0302",
    "\u200b\u200b",
    "A" * 201,
    "",
)
"""No name may have them: the import quarantines the row."""
