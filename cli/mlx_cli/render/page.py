"""What every page that is written to a file has: it needs nothing but itself, runs nothing, and what it shows is escaped."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

STYLE = Path(__file__).parent / "page.css"


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page; ``parts`` are HTML, the title is not."""
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'><title>{escape(title)}</title>"
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    return f"<!doctype html><html lang='en'><head>{head}{policy}<style>{STYLE.read_text()}</style></head><body>{''.join(parts)}</body></html>\n"


def section(title: str, body: str) -> str:
    """A part of the page with its heading."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Escaped, and scrolling within itself where it is wide."""
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<div class='scroll' tabindex='0'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
