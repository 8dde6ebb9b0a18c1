"""The HTML report: one file, pictures inlined, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from skyhash.pages.theme import inlined


@dataclass(frozen=True)
class Picture:
    """A PNG with its alternative text, and the caption below it."""

    png: bytes
    alt: str
    caption: str = ""

    @property
    def width(self) -> int:
        """Width on the page, CSS pixels: the PNG's own at the 150 dpi of the plots, shown at about 110."""
        return round(int.from_bytes(self.png[16:20], "big") * 0.73)


@dataclass(frozen=True)
class HtmlTable:
    """A table: column names, and rows of text; `strong` rows stand out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph, and what follows it in order: pictures, tables, or facts (name -> text)."""

    title: str
    text: str = ""
    parts: Sequence[Picture | HtmlTable | Mapping[str, str]] = field(default_factory=tuple)


@dataclass(frozen=True)
class Page:
    """A whole report; `figures` are the few large numbers at its head: (number, label)."""

    title: str
    lead: str
    simulated: bool
    figures: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    footer: str


def render(page: Page) -> str:
    """The page as HTML; everything from tables is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["inlined"] = inlined
    environment.tests["picture"] = lambda part: isinstance(part, Picture)
    environment.tests["html_table"] = lambda part: isinstance(part, HtmlTable)
    source = files("skyhash.pages").joinpath("page.html").read_text(encoding="utf-8")
    variables: dict[str, Any] = {"page": page}
    return environment.from_string(source).render(variables)
