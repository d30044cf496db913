"""Hostile pages: what a template, or a letter that got past every check, could ask of the layout engine."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.hostile import pictures

FETCH = "refused to fetch"
TIME = r"more than \d+ s"
MEMORY = "too much memory|died of SIG"
FAILS = "the layout engine (fails|died|ended)"


@dataclass(frozen=True)
class Page:
    """A page by name: what is in it, and the reason it is held for; without one it is harmless and printed."""

    name: str
    html: Callable[[], str]
    why: str = ""
    slow: bool = False
    """Whether it takes until a limit ends it."""

    def __str__(self) -> str:
        return self.name


def _style(css: str, body: str = "<p>words</p>") -> Callable[[], str]:
    return lambda: f"<style>{css}</style>{body}"


def _html(text: str) -> Callable[[], str]:
    return lambda: text


def _nested(tag: str, depth: int, style: str = "") -> Callable[[], str]:
    opening = f'<{tag} style="{style}">'
    return lambda: f"{opening * depth}words{f'</{tag}>' * depth}"


def _doubling() -> str:
    rules = "".join(f"--v{n}: var(--v{n - 1}) var(--v{n - 1});" for n in range(1, 40))
    return f"<style>p {{ --v0: x; {rules} font-family: var(--v39) }}</style><p>words</p>"


def _quotes() -> str:
    long = "x" * 1_000
    return (
        f"<style>p::before {{ content: {' '.join([f'{chr(34)}{long}{chr(34)}'] * 50)} }}</style>" + "<p>words</p>" * 5
    )


OUTSIDE = "http://127.0.0.1:9/"
_SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'

FETCHING = (
    Page("image of a file", _html('<img src="file:///etc/passwd">'), FETCH),
    Page("image from the network", _html(f'<img src="{OUTSIDE}a.png">'), FETCH),
    Page("image over https", _html('<img src="https://localhost/a.png">'), FETCH),
    Page("image over ftp", _html('<img src="ftp://127.0.0.1/a.png">'), FETCH),
    Page("image beside the template", _html('<img src="../../keys/master.key">')),
    Page("image in capitals", _html('<IMG SRC="FILE:///etc/passwd">'), FETCH),
    Page("image of a host by path", _html('<img src="//127.0.0.1/a.png">')),
    Page("image set", _html(f'<img srcset="{OUTSIDE}a.png 2x">')),
    Page("base and image", _html(f'<base href="{OUTSIDE}"><img src="a.png">'), FETCH),
    Page("object", _html('<object data="file:///etc/passwd"></object>'), FETCH),
    Page("embedded", _html(f'<embed src="{OUTSIDE}a.svg">'), FETCH),
    Page("frame", _html(f'<iframe src="{OUTSIDE}"></iframe>'), FAILS),
    Page("video with a poster", _html(f'<video poster="{OUTSIDE}a.png"></video>')),
    Page("linked style sheet", _html('<link rel="stylesheet" href="file:///etc/passwd">'), FETCH),
    Page("linked icon", _html(f'<link rel="icon" href="{OUTSIDE}a.ico">')),
    Page("attachment", _html('<link rel="attachment" href="file:///etc/passwd">'), FETCH),
    Page("attachment of a link", _html('<a rel="attachment" href="file:///etc/passwd">here</a>'), FETCH),
    Page("imported style", _style(f"@import '{OUTSIDE}a.css';"), FETCH),
    Page("imported style of a file", _style("@import url(file:///etc/passwd);"), FETCH),
    Page("background", _style(f"p {{ background: url({OUTSIDE}a.png) }}"), FETCH),
    Page("background in a style attribute", _html('<p style="background: url(file:///etc/passwd)">x</p>'), FETCH),
    Page("background written with escapes", _style("p { background: u\\72l(file:///etc/passwd) }"), FETCH),
    Page("bullet", _style(f"li {{ list-style-image: url({OUTSIDE}a.png) }}", "<ul><li>x</ul>"), FETCH),
    Page("generated content", _style("p::before { content: url(file:///etc/passwd) }"), FETCH),
    Page("border image", _style(f"p {{ border: 1px solid; border-image: url({OUTSIDE}a.png) 1 }}"), FETCH),
    Page("page background", _style(f"@page {{ background: url({OUTSIDE}a.png) }}"), FETCH),
    Page("margin box", _style(f"@page {{ @top-left {{ content: url({OUTSIDE}a.png) }} }}"), FETCH),
    Page("font of a file", _style("@font-face { font-family: x; src: url(file:///etc/passwd) }"), FETCH),
    Page("font from the network", _style(f"@font-face {{ font-family: x; src: url({OUTSIDE}a.woff2) }}"), FETCH),
    Page(
        "colour profile", _style("@color-profile --x { src: url(file:///etc/passwd); components: c, m, y, k }"), FETCH
    ),
    Page("drawing with an image", _html(f'{_SVG}<image href="{OUTSIDE}a.png" width="9" height="9"/></svg>'), FETCH),
    Page("drawing that uses a file", _html(f'{_SVG}<use href="file:///etc/passwd#x"/></svg>')),
    Page("drawing with a style", _html(f"{_SVG}<style>@import '{OUTSIDE}a.css';</style><rect/></svg>")),
    Page("drawing by data", lambda: f'<img src="{pictures.as_data(pictures.drawing(), "svg+xml")}">', FETCH),
    Page("picture bomb by data", lambda: f'<img src="{pictures.as_data(pictures.png(30_000, 30_000))}">', FETCH),
    Page("picture and page in one", lambda: f'<img src="{pictures.as_data(pictures.polyglot())}">', FETCH),
    Page("font by data", _style("@font-face { font-family: x; src: url(data:font/ttf;base64,AAEAAAA=) }"), FETCH),
    Page("form that is sent", _html(f'<form action="{OUTSIDE}"><input name="a"></form>')),
    Page("script", _html(f'<script>fetch("{OUTSIDE}")</script><p onclick="alert(1)">words</p>')),
    Page("refresh", _html(f'<meta http-equiv="refresh" content="0; url={OUTSIDE}">')),
)

BOMBS = (
    Page("nested flex boxes", _nested("div", 14, "display:flex"), TIME, slow=True),
    Page("nested grids", _nested("div", 14, "display:grid"), TIME, slow=True),
    Page("nested inline blocks", _nested("div", 24, "display:inline-block")),
    Page("nested tables", lambda: "<table><tr><td>" * 40 + "x" + "</table>" * 40),
    Page("nested columns", _nested("div", 12, "columns:2"), TIME, slow=True),
    Page("nested floats", _nested("div", 40, "float:left")),
    Page("depth", _nested("div", 900), FAILS),
    Page("more depth", _nested("b", 200_000), f"{FAILS}|{TIME}|{MEMORY}", slow=True),
    Page("a line of Latin", lambda: f"<p>{'word ' * 200_000}</p>", TIME, slow=True),
    Page("a word of Latin", lambda: f"<p>{'w' * 300_000}</p>"),
    Page("a line of Chinese", lambda: f"<p>{'漢字和假名' * 60_000}</p>", TIME, slow=True),
    Page("a line of Arabic", lambda: f'<p dir="rtl">{"كلمة " * 60_000}</p>', TIME, slow=True),
    Page("line breaks", lambda: "<p>x" + "<br>" * 200_000, TIME, slow=True),
    Page("spans", lambda: "<p>" + "<span>x</span>" * 100_000, TIME, slow=True),
    Page("paragraphs", lambda: "<p>x" * 100_000, TIME, slow=True),
    Page("marks on one letter", lambda: f"<p>a{chr(0x301) * 100_000}</p>", TIME, slow=True),
    Page("isolates", lambda: f"<p>{chr(0x2067) * 100_000}x</p>"),
    Page("huge sheet", _style("@page { size: 1000000mm 1000000mm }")),
    Page("endless height", _style("p { height: 100000000mm }")),
    Page("no room on the sheet", _style("@page { margin: 148mm 105mm }", "<p>" + "words " * 5_000), TIME, slow=True),
    Page("huge letters", _style("p { font-size: 100000000pt }"), FAILS),
    Page("huge spaces", _style("p { letter-spacing: 1e30em; word-spacing: 1e30em }"), FAILS),
    Page(
        "numbers without end",
        _style("p { transform: scale(1e300) rotate(1e300deg); margin: -1e300px }"),
        "broken PDF|fails at it",
    ),
    Page("forced pages", lambda: '<p style="break-after:page">x' * 20_000, TIME, slow=True),
    Page("wide table", lambda: '<table><tr><td colspan="1000000">x</table>', TIME, slow=True),
    Page("tall table", lambda: '<table><tr><td rowspan="100000000">x</table>'),
    Page("columns without end", _style("p { column-count: 1000000 }")),
    Page("grid without end", _style("p { display:grid; grid-template-columns: repeat(10000, 1px) }")),
    Page("variables that double", _doubling, f"{TIME}|{MEMORY}|{FAILS}", slow=True),
    Page("variables in a circle", _style("p { --a: var(--b); --b: var(--a); color: var(--a) }")),
    Page("selectors", lambda: f"<style>{'p:not(:has(p ~ p ~ p)) ' * 2_000}{{}}</style>" + "<p>x" * 2_000, FAILS),
    Page("content that doubles", _quotes),
    Page("counters", lambda: "<style>p::before{content:counters(a,'.')} p{counter-reset:a}</style>" + "<p>" * 300),
    Page("roman numbers", _style("ol { list-style: upper-roman }", '<ol start="2000000000"><li>x</ol>')),
    Page("page that refers to itself", _style("p::after { content: target-counter(url(#x), page) }", '<p id="x">x')),
    Page("footnotes", lambda: "<style>i { float: footnote }</style>" + "<p>x<i>y</i>" * 5_000, TIME, slow=True),
    Page("gradient", lambda: f'<p style="background:linear-gradient({",".join(["red"] * 20_000)})">x</p>'),
    Page("shadow of a drawing", _html('<svg width="9" height="9"><use id="a" href="#a"/></svg>')),
    Page("drawing that doubles", lambda: pictures.doubling(24), f"{TIME}|{MEMORY}|{FAILS}", slow=True),
    Page("drawing of a long path", lambda: f'<svg><path d="M0 0{" l1 1" * 50_000}"/></svg>'),
    Page("drawing without end", _html('<svg width="1e9" height="1e9"><rect width="1e9" height="1e9"/></svg>')),
    Page("pattern in itself", _html(pictures.PATTERN)),
    Page("zero bytes", _html("<p>a\0b\0</p>")),
    Page("lone surrogate", lambda: "<p>a\ud800b</p>", FAILS),
    Page("no such character", _html("<p>\U000e1234</p>"), "U\\+E1234"),
    Page("broken markup", lambda: "<p" * 5_000 + ">" * 5_000 + "]]>" + "<![CDATA[" * 500, FAILS),
    Page("attributes", lambda: f"<p {' '.join(f'a{n}=x' for n in range(100_000))}>x</p>", TIME, slow=True),
    Page("entities", lambda: "<p>" + "&amp;amp;" * 10_000 + "&#x110000;&#0;&#xD800;</p>"),
)


PAGES = FETCHING + BOMBS
