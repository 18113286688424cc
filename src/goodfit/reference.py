"""A publication as data: pages print it, `goodfit.citations` writes it as BibTeX."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One publication that a technique or a lint rule comes from.

    >>> print(Reference(authors=("A. Krogh", "J. A. Hertz"), title="A simple weight decay can improve generalization",
    ...                 venue="NIPS", year=1991, url="https://example.org/krogh"))
    A. Krogh and J. A. Hertz, “A simple weight decay can improve generalization”, NIPS, 1991, https://example.org/krogh

    Raises:
        InputError: a required field is empty, authors are not a tuple of names, or the link is not a web address.
    """

    authors: tuple[str, ...]
    """Initials and surname each; the last one may be "et al."."""
    title: str
    year: int
    url: str
    venue: str = ""
    """Journal, conference or publisher."""
    volume: str = ""
    number: str = ""
    """Issue of the volume."""
    pages: str = ""
    """First and last page, with an en dash."""
    section: str = ""
    """The place in the publication, for instance "section 5.1"."""
    topic: str = ""
    """What this publication covers, where a technique has several."""

    def __post_init__(self) -> None:
        names = self.authors if isinstance(self.authors, tuple) else ()
        if not names or not all(isinstance(name, str) and name.strip() for name in names):
            raise InputError(f"Reference: authors must be a tuple of names, got authors={self.authors!r}.")
        if not self.title:
            raise InputError(f"Reference: title must not be empty, got title={self.title!r}.")
        if not isinstance(self.year, int):
            raise InputError(f"Reference: year must be a whole number, got year={self.year!r}.")
        if not self.url.startswith(("https://", "http://")):
            raise InputError(f"Reference: url must start with https:// or http://, got url={self.url!r}.")

    def __str__(self) -> str:
        issue = f"({self.number})" if self.number else ""
        venue = " ".join(filter(None, (self.venue, self.volume))) + issue
        title = f"“{self.title}”"
        parts = (_joined(self.authors), title, venue, self.pages, str(self.year), self.section, self.url)
        return (f"{self.topic}: " if self.topic else "") + ", ".join(filter(None, parts))


def _joined(names: tuple[str, ...]) -> str:
    """Names as a sentence lists them.

    >>> _joined(("A. Cee", "B. Dee", "C. Eff")), _joined(("A. Cee", "et al."))
    ('A. Cee, B. Dee and C. Eff', 'A. Cee et al.')
    """
    *first, last = names
    if not first:
        return last
    return ", ".join(first) + (" " if last == "et al." else " and ") + last
