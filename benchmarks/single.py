"""The print peer: one WeasyPrint call and one file for each letter, in one process with one font configuration."""

import json
import sys
import time
from pathlib import Path

import pikepdf


def main(documents: str, to: str, report: str) -> None:
    """Lay out every document; the report has the seconds for starting the engine apart from those for the letters."""
    htmls = json.loads(Path(documents).read_text(encoding="utf-8"))
    folder = Path(to)
    folder.mkdir(exist_ok=True)
    began, cpu = time.perf_counter(), time.process_time()
    from weasyprint import HTML
    from weasyprint.text.fonts import FontConfiguration

    fonts = FontConfiguration()
    started, warm = time.perf_counter(), time.process_time()
    for number, html in enumerate(htmls):
        HTML(string=html).write_pdf(folder / f"{number}.pdf", font_config=fonts)
    seconds, spent = time.perf_counter() - started, time.process_time() - warm
    said = {"start_seconds": started - began, "seconds": seconds, "start_cpu": warm - cpu, "cpu": spent}
    said |= _made(folder, len(htmls))
    Path(report).write_text(json.dumps(said), encoding="utf-8")


def _made(folder: Path, count: int) -> dict[str, int]:
    pages = size = 0
    for number in range(count):
        size += (folder / f"{number}.pdf").stat().st_size
        with pikepdf.open(folder / f"{number}.pdf") as pdf:
            pages += len(pdf.pages)
    return {"letters": count, "pages": pages, "bytes": size}


if __name__ == "__main__":
    main(*sys.argv[1:4])
