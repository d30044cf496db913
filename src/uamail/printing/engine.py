"""The only door to WeasyPrint: a layout in the jail, without addresses, with the fonts of the system."""

import logging
import os
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from uamail.errors import MissingGlyph, PrintError
from uamail.printing import fonts, jail

PDF_VERSION: Final = "1.7"
_FORBIDDEN: Final = "print templates may not use images, outside styles or outside fonts"
_SCHEMES: Final = ("data", "file", "ftp", "http", "https")

_T = TypeVar("_T")


def jailed(work: Callable[[], _T], *, limits: jail.Limits | None = None) -> _T:
    """What `work` makes with the engine, in a child that may read nothing but the engine and the fonts.

    Raises what `jail.run` does.
    """
    _engine()  # imported here, children need not
    return jail.run(work, limits=limits, readable=readable())


def laid_out(html: str) -> Any:
    """WeasyPrint's document of an HTML page."""
    weasyprint, fetcher = _engine()
    page = weasyprint.HTML(string=html, url_fetcher=fetcher)
    return page.render(font_config=_configuration(os.getpid()), presentational_hints=False, pdf_version=PDF_VERSION)


def line_extents(style: Any, text: str) -> tuple[float, float]:
    """How far (CSS pixels) a line of text in WeasyPrint's `style` reaches above and below its baseline."""
    from weasyprint.text.ffi import FROM_UNITS, pango
    from weasyprint.text.line_break import create_layout, line_size

    layout = create_layout(text, style, None, None, 0)
    height = line_size(layout.get_first_line()[0], style)[1]
    above = pango.pango_layout_get_baseline(layout.layout) * FROM_UNITS
    return float(above), float(height - above)


@contextmanager
def watched() -> Iterator[None]:
    """A layout and its PDF are made in this block. Raises PrintError for an address, MissingGlyph for a box."""
    from weasyprint.urls import FatalURLFetchingError

    boxes, log = _Boxes(), logging.getLogger("weasyprint")
    _, fetcher = _engine()
    fetcher.refused.clear()
    log.addHandler(boxes)
    try:
        yield
    except FatalURLFetchingError:  # raised past every ordinary handler
        pass
    except PermissionError as error:  # the jail's doing: fonts of a style sheet would be unpacked in a directory first
        raise PrintError(f"refused to fetch or make a file: {_FORBIDDEN}") from error
    finally:
        log.removeHandler(boxes)
    if fetcher.refused:  # asked here, because drawings swallow every error
        raise PrintError(f"refused to fetch an address ({fetcher.refused[0]}): {_FORBIDDEN}")
    if boxes.characters:
        raise MissingGlyph("".join(boxes.characters))


class _Boxes(logging.Handler):
    """Collects the characters that the engine would print as boxes: it only warns."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.characters: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(".notdef") and isinstance(record.args, tuple):
            self.characters[str(record.args[0])] = None


@lru_cache(maxsize=1)
def _engine() -> tuple[Any, Any]:
    """WeasyPrint and the fetcher that serves nothing: the program has no pictures, styles or fonts of its own."""
    import gc

    import weasyprint
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class NothingFetcher(URLFetcher):  # type: ignore[misc]
        """Refuses every address, so that no letter reaches the network or a file."""

        refused: Final[list[str]] = []

        def fetch(self, url: str, *_: Any) -> Any:
            # Not the address itself: a template may have made it of a supporter's words.
            scheme = url.partition(":")[0].lower()
            self.refused.append(scheme if scheme in _SCHEMES else "other")
            raise FatalURLFetchingError("refused")

    # Layout makes boxes by the hundred thousand; a collector that walks the imported modules each time costs a quarter.
    gc.collect()
    gc.freeze()
    return weasyprint, NothingFetcher()


@lru_cache(maxsize=1)
def _configuration(process: int) -> Any:  # noqa: ARG001
    """The fonts for one process: each new configuration leaks, and Pango may give it a thread, which no fork keeps."""
    from weasyprint.text.fonts import FontConfiguration

    return FontConfiguration()


@lru_cache(maxsize=1)
def readable() -> tuple[str, ...]:
    """Directories that a layout reads: Python, the engine, system libraries, fonts and their caches."""
    weasyprint, _ = _engine()
    code = [
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        str(Path(weasyprint.__file__).parent.parent),
    ]
    system = ["/usr", "/lib", "/lib64", "/etc/fonts", "/var/cache/fontconfig"]
    places = {"XDG_CACHE_HOME": ".cache", "XDG_CONFIG_HOME": ".config"}
    own = [str(Path(os.environ.get(name) or Path.home() / place) / "fontconfig") for name, place in places.items()]
    return tuple(dict.fromkeys([*code, *system, *own, *fonts.folders()]))
