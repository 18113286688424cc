"""References as BibTeX: read from the docstrings, so that what is cited is what the pages show."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from goodfit import pages
from goodfit.errors import InputError
from goodfit.technique import Technique

FORM = "A. Author, B. Author and C. Author, Title, Venue 1(2), 2020, section 3, https://…"
PERSON = re.compile(r"^(?P<initials>(?:\w{1,2}\.(?:-\w\.)*\s*)+)(?P<surname>\w.*)$")
LABELLED = re.compile(r"^(?P<label>[a-zA-Z][\w -]*): (?=\w{1,2}\.)")
VOLUME = re.compile(r"^(?P<journal>.*\D) (?P<volume>\d+)(?:\((?P<number>[\d–-]+)\))?$")
YEAR = re.compile(r"^(?P<venue>.*?) ?(?P<year>(?:19|20)\d\d)$")
PAGES = re.compile(r"^(?:pp?\. ?)?(\d+)[–-](\d+)$")
SMALL_WORDS = re.compile("a|an|the|on|of|to|in|for|is|are|from|with|by|and|what|when")
ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0304": "=", "\u0307": ".",
           "\u030c": "v ", "\u0306": "u ", "\u0327": "c ", "\u030a": "r ", "\u0328": "k ", "\u030b": "H "}  # fmt: skip
LETTERS = {"ł": r"{\l}", "Ł": r"{\L}", "ø": r"{\o}", "Ø": r"{\O}", "ß": r"{\ss}", "æ": r"{\ae}", "Æ": r"{\AE}",
           "ı": r"{\i}", "–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''",
           "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
           "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_"}  # fmt: skip
PLAIN = {"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "ı": "i"}

VERSION = sys.modules["goodfit"].__version__  # not imported: the package's own names lie above this module
OWN = f"""@software{{goodfit,
  author = {{{{The goodfit developers}}}},
  title = {{goodfit: the regularization with which your network generalises}},
  version = {{{VERSION}}},
  year = {{2026}},
  license = {{Apache-2.0}}
}}"""
"""What CITATION.cff says, as an entry."""


@dataclass(frozen=True)
class Reference:
    """One publication, taken apart."""

    authors: tuple[str, ...]
    others: bool  # et al.
    title: str
    venue: str
    pages: str
    year: int
    detail: str
    url: str
    label: str = ""

    def key(self) -> str:
        """The entry's name: first author, year, first word of the title.

        >>> parse("P. Müller et al., The art of noise, 2020, https://example.org", "test")[0].key()
        'muller2020art'
        """
        words = [w for w in re.findall(r"\w\w+", _ascii(self.title).lower()) if not SMALL_WORDS.fullmatch(w)]
        surname = re.sub(r"\W", "", _ascii(_split(self.authors[0])[1]).lower())
        return f"{surname}{self.year}{words[0] if words else ''}"

    def entry(self, key: str, remark: str = "") -> str:
        """The reference as a BibTeX entry under this name; `remark` becomes its `annote`, which styles do not print."""
        names = [*map(_inverted, self.authors), *["others"] * self.others]
        kind, place = self._place()
        fields = {
            "author": " and ".join(names),
            "title": _title(self.title),
            **{name: escaped(text) for name, text in place.items()},
            "pages": self.pages,
            "year": str(self.year),
            **_identifier(self.url),
            "url": self.url,
            "annote": escaped(remark),
        }
        lines = [f"  {name} = {{{text}}}" for name, text in fields.items() if text]
        return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"

    def _place(self) -> tuple[str, dict[str, str]]:
        journal = VOLUME.match(self.venue)
        if journal:
            return "article", {name: text or "" for name, text in journal.groupdict().items()}
        known = self.venue not in ("", "arXiv")
        return ("inproceedings", {"booktitle": self.venue}) if known else ("misc", {})


def parse(text: str, who: str) -> list[Reference]:
    """The publications that a "Reference:" names.

    >>> read = parse("A. B. Jones and C. Smith, “Short, and long”, JMLR 15(2), 2014, page 5, https://x.org/p", "test")
    >>> read[0].authors, read[0].title, read[0].venue, read[0].year, read[0].detail
    (('A. B. Jones', 'C. Smith'), 'Short, and long', 'JMLR 15(2)', 2014, 'page 5')

    Raises:
        InputError: the text is not in the form of `FORM`; `who` is named.
    """
    return [_one(part.strip().rstrip("."), who) for part in re.split(r";\s+", text)]


def references(technique: type[Technique] | Technique) -> list[Reference]:
    """The publications that a technique's docstring names."""
    kind = technique if isinstance(technique, type) else type(technique)
    section = pages.page(kind).sections.get("Reference", "")
    return parse(section, kind.name())


def bibtex(techniques: Sequence[type[Technique] | Technique]) -> str:
    """The publications behind techniques, and at the end goodfit itself, as a BibTeX file.

    A publication stands there once; its `annote` names the techniques that come from it.

    >>> from goodfit.techniques import Dropout
    >>> bibtex([Dropout]).splitlines()[0]
    '@article{srivastava2014dropout,'

    Raises:
        InputError: a docstring's reference cannot be read.
    """
    users: dict[str, list[str]] = {}
    found: dict[str, Reference] = {}
    for technique in techniques:
        for reference in references(technique):
            used = f"{technique.name()} ({reference.detail})" if reference.detail else technique.name()
            users.setdefault(reference.url, []).append(used)
            found[reference.url] = max(found.get(reference.url, reference), reference, key=_fullness)
    keys = _keys(list(found.values()))
    entries = [found[url].entry(keys[url], "; ".join(dict.fromkeys(users[url]))) for url in found]
    return "\n\n".join([*entries, OWN]) + "\n"


def _fullness(reference: Reference) -> tuple[int, int]:
    return len(reference.authors), len(reference.title)


def _keys(found: Sequence[Reference]) -> dict[str, str]:
    """Link → name of the entry; two that would be called alike get a letter each, in the order of their links."""
    keys: dict[str, str] = {}
    for reference in found:
        twins = sorted(other.url for other in found if other.key() == reference.key())
        letter = chr(ord("a") + twins.index(reference.url)) if len(twins) > 1 else ""
        keys[reference.url] = reference.key() + letter
    return keys


def _one(text: str, who: str) -> Reference:
    label = LABELLED.match(text)
    rest = text[label.end() :] if label else text
    pieces = [p.strip("“”") for p in re.findall(r"(?:“[^”]*”|[^,“]|,(?! ))+", rest)]
    pieces = [p.strip().strip("“”") for p in pieces if p.strip()]
    authors, others, count = _authors(pieces)
    years = [n for n, piece in enumerate(pieces) if n > count and YEAR.match(piece)]
    url = pieces[-1] if pieces and re.match(r"https?://\S+$", pieces[-1]) else ""
    if not authors or not years or not url:
        missing = "its authors" if not authors else "its year" if not years else "its link"
        raise InputError(f"{who}: a reference must be written '{FORM}', got '{text}', where {missing} cannot be found.")
    at = years[-1]
    year = YEAR.match(pieces[at])
    assert year is not None
    middle = [*pieces[count + 1 : at], year["venue"]]
    span = next((m for m in map(PAGES.match, middle) if m), None)
    venue = ", ".join(p for p in middle if p and not PAGES.match(p))
    return Reference(
        tuple(authors), others, pieces[count], venue, f"{span[1]}--{span[2]}" if span else "", int(year["year"]),
        ", ".join(pieces[at + 1 : -1]), url, label["label"] if label else "",
    )  # fmt: skip


def _authors(pieces: Sequence[str]) -> tuple[list[str], bool, int]:
    """The authors, whether there are others, and the number of pieces that they take."""
    authors: list[str] = []
    for count, piece in enumerate(pieces):
        others = piece.endswith(" et al.")
        names = piece.removesuffix(" et al.").split(" and ")
        if not PERSON.match(names[0]) or not all(PERSON.match(n) or n.startswith("the ") for n in names):
            return authors, False, count
        authors += names
        if others or len(names) > 1:
            return authors, others, count + 1
    return authors, False, len(pieces)


def _split(author: str) -> tuple[str, str]:
    """Initials and surname; a team has a name only."""
    person = PERSON.match(author)
    return (person["initials"].strip(), person["surname"].strip()) if person else ("", author)


def _inverted(author: str) -> str:
    initials, surname = _split(author)
    return f"{escaped(surname)}, {escaped(initials)}" if initials else f"{{{escaped(surname)}}}"


def _identifier(url: str) -> dict[str, str]:
    arxiv = re.match(r"https?://arxiv\.org/abs/(\S+)$", url)
    if arxiv:
        return {"eprint": arxiv[1], "archiveprefix": "arXiv"}
    doi = re.match(r"https?://doi\.org/(\S+)$", url)
    return {"doi": doi[1]} if doi else {}


def _title(title: str) -> str:
    """A title whose capitals styles leave alone, but for that of the first word.

    >>> print(_title("Rethinking the Inception architecture & R-Drop: more"))
    Rethinking the {Inception} architecture \\& {R-Drop}: more
    """
    first = re.sub(r"^\W*[A-Z](?=[a-z]*\b)", lambda m: m[0].lower(), title)  # a capital of its own is free
    marked = [(m.start(), m.end()) for m in re.finditer(r"\w[\w-]*", first) if m[0] != m[0].lower()]
    out, at = "", 0
    for start, end in marked:
        out += f"{escaped(title[at:start])}{{{escaped(title[start:end])}}}"
        at = end
    return out + escaped(title[at:])


def escaped(text: str) -> str:
    r"""Text as BibTeX takes it, whatever the encoding.

    >>> print(escaped("J. Müller & Ł. Żak, 5 %"))
    J. M{\"u}ller \& {\L}. {\.Z}ak, 5 \%
    """
    out: list[str] = []
    for sign in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", sign)
        if len(parts) == 2 and parts[1] in ACCENTS:
            out.append(f"{{\\{ACCENTS[parts[1]]}{parts[0]}}}")
        else:
            out.append(LETTERS.get(sign, sign))
    return "".join(out)


def _ascii(text: str) -> str:
    spelled = "".join(PLAIN.get(c, PLAIN.get(c.lower(), c)) for c in text)
    return "".join(c for c in unicodedata.normalize("NFD", spelled) if not unicodedata.combining(c))
