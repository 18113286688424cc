"""References as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from goodfit._version import __version__
from goodfit.reference import Reference
from goodfit.technique import Technique

SMALL_WORDS = re.compile("a|an|the|on|of|to|in|for|is|are|from|with|by|and|what|when")
ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0304": "=", "\u0307": ".",
           "\u030c": "v ", "\u0306": "u ", "\u0327": "c ", "\u030a": "r ", "\u0328": "k ", "\u030b": "H "}  # fmt: skip
LETTERS = {"ł": r"{\l}", "Ł": r"{\L}", "ø": r"{\o}", "Ø": r"{\O}", "ß": r"{\ss}", "æ": r"{\ae}", "Æ": r"{\AE}",
           "ı": r"{\i}", "–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''",
           "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
           "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_"}  # fmt: skip
PLAIN = {"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "ı": "i"}
OWN = f"""@software{{goodfit,
  author = {{{{The goodfit developers}}}},
  title = {{goodfit: the regularization with which your network generalizes}},
  version = {{{__version__}}},
  year = {{2026}},
  license = {{Apache-2.0}}
}}"""
"""The content of CITATION.cff as an entry."""


def bibtex(techniques: Sequence[type[Technique] | Technique]) -> str:
    """The publications of techniques, and goodfit itself, as a BibTeX file.

    Each publication appears once; its `annote` names the techniques that it describes.

    >>> from goodfit.techniques import Dropout
    >>> bibtex([Dropout]).splitlines()[0]
    '@article{srivastava2014dropout,'
    """
    users: dict[str, list[str]] = {}
    cited: dict[str, Reference] = {}
    for technique in techniques:
        for reference in technique.references:
            user = f"{technique.name()} ({reference.section})" if reference.section else technique.name()
            users.setdefault(reference.url, []).append(user)
            cited[reference.url] = max(cited.get(reference.url, reference), reference, key=_completeness)
    keys = _unique_keys(list(cited.values()))
    entries = [entry(cited[url], keys[url], "; ".join(dict.fromkeys(users[url]))) for url in cited]
    return "\n\n".join([*entries, OWN]) + "\n"


def entry(reference: Reference, key: str, note: str = "") -> str:
    """A reference as a BibTeX entry; `note` becomes its `annote`, which bibliography styles do not print."""
    authors = ["others" if name == "et al." else _surname_first(name) for name in reference.authors]
    kind, container = ("inproceedings", "booktitle") if reference.venue not in ("", "arXiv") else ("misc", "")
    if reference.volume:
        kind, container = "article", "journal"
    fields = {
        "author": " and ".join(authors),
        "title": _title(reference.title),
        **({container: escaped(reference.venue)} if container else {}),
        "volume": reference.volume,
        "number": escaped(reference.number),
        "pages": escaped(reference.pages),
        "year": str(reference.year),
        **_identifier(reference.url),
        "url": reference.url,
        "annote": escaped(note),
    }
    lines = [f"  {name} = {{{text}}}" for name, text in fields.items() if text]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"


def entry_key(reference: Reference) -> str:
    """The key of a reference's entry: surname of the first author, year, first significant word of the title.

    >>> entry_key(Reference(authors=("P. Müller", "et al."), title="The art of noise", year=2020, url="https://x.org"))
    'muller2020art'
    """
    words = [w for w in re.findall(r"\w\w+", _ascii(reference.title).lower()) if not SMALL_WORDS.fullmatch(w)]
    surname = re.sub(r"\W", "", _ascii(_initials_and_surname(reference.authors[0])[1]).lower())
    return f"{surname}{reference.year}{words[0] if words else ''}"


def _completeness(reference: Reference) -> tuple[int, int]:
    return len(reference.authors), len(reference.title)


def _unique_keys(references: Sequence[Reference]) -> dict[str, str]:
    """Link → key of the entry; equal keys get a letter each, in the order of their links."""
    keys: dict[str, str] = {}
    for reference in references:
        key = entry_key(reference)
        same = sorted(other.url for other in references if entry_key(other) == key)
        keys[reference.url] = key + (chr(ord("a") + same.index(reference.url)) if len(same) > 1 else "")
    return keys


def _initials_and_surname(author: str) -> tuple[str, str]:
    """Initials and surname; a team has a name only.

    >>> _initials_and_surname("T.-Y. van der Lin"), _initials_and_surname("the Keras team")
    (('T.-Y.', 'van der Lin'), ('', 'the Keras team'))
    """
    words = author.split()
    count = next((n for n, word in enumerate(words) if not word.endswith(".")), 0)
    return " ".join(words[:count]), " ".join(words[count:])


def _surname_first(author: str) -> str:
    initials, surname = _initials_and_surname(author)
    return f"{escaped(surname)}, {escaped(initials)}" if initials else f"{{{escaped(surname)}}}"


def _identifier(url: str) -> dict[str, str]:
    arxiv = re.match(r"https?://arxiv\.org/abs/(\S+)$", url)
    if arxiv:
        return {"eprint": arxiv[1], "archiveprefix": "arXiv"}
    doi = re.match(r"https?://doi\.org/(\S+)$", url)
    return {"doi": doi[1]} if doi else {}


def _title(title: str) -> str:
    """A title with braces around the words whose capitals must stay; the first word needs none.

    >>> print(_title("Rethinking the Inception architecture & R-Drop: more"))
    Rethinking the {Inception} architecture \\& {R-Drop}: more
    """
    first = re.sub(r"^\W*[A-Z](?=[a-z]*\b)", lambda m: m[0].lower(), title)
    capitals = [(m.start(), m.end()) for m in re.finditer(r"\w[\w-]*", first) if m[0] != m[0].lower()]
    text, position = "", 0
    for start, end in capitals:
        text += f"{escaped(title[position:start])}{{{escaped(title[start:end])}}}"
        position = end
    return text + escaped(title[position:])


def escaped(text: str) -> str:
    r"""Text with BibTeX's commands for letters and signs outside ASCII.

    >>> print(escaped("J. Müller & Ł. Żak, 5 %"))
    J. M{\"u}ller \& {\L}. {\.Z}ak, 5 \%
    """
    letters: list[str] = []
    for letter in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", letter)
        if len(parts) == 2 and parts[1] in ACCENTS:
            letters.append(f"{{\\{ACCENTS[parts[1]]}{parts[0]}}}")
        else:
            letters.append(LETTERS.get(letter, letter))
    return "".join(letters)


def _ascii(text: str) -> str:
    spelled = "".join(PLAIN.get(c, PLAIN.get(c.lower(), c)) for c in text)
    return "".join(c for c in unicodedata.normalize("NFD", spelled) if not unicodedata.combining(c))
