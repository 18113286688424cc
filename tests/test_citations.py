"""BibTeX from docstrings: every reference of the catalogue is read, and written as BibTeX takes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import goodfit
from goodfit import techniques
from goodfit.citations import bibtex, escaped, parse, references
from goodfit.errors import InputError
from goodfit.technique import Technique

EVERY = pytest.mark.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())
ROOT = Path(__file__).resolve().parents[1]


class Doubtful(Technique):
    """Adds nothing.

    Reference: somebody, somewhere.
    """


# ---- the catalogue --------------------------------------------------------------------------------


@EVERY
def test_every_reference_is_read(technique: type[Technique]) -> None:
    found = references(technique)
    assert found
    for reference in found:
        assert reference.authors
        assert len(reference.title) > 3
        assert not reference.title.endswith((".", ","))
        assert 1900 < reference.year < 2100
        assert re.fullmatch(r"https?://\S+\w/?", reference.url)
        assert re.fullmatch(r"[a-z]+(19|20)\d\d[a-z0-9]+", reference.key())
        assert not re.search(r"\d{4}|https?:|et al", reference.title + reference.venue)


def test_no_two_publications_have_one_key() -> None:
    links: dict[str, set[str]] = {}
    for technique in techniques.ALL.values():
        for reference in references(technique):
            links.setdefault(reference.key(), set()).add(reference.url)
    assert {key: found for key, found in links.items() if len(found) > 1} == {}


def test_a_publication_of_several_techniques_stands_once() -> None:
    text = bibtex(list(techniques.ALL.values()))
    keys = re.findall(r"^@\w+\{([^,]+),$", text, re.MULTILINE)
    assert len(keys) == len(set(keys))
    assert len(re.findall(r"srivastava14a", text)) == 1
    assert re.search(r"^  annote = \{dropout.*max\\_norm \(section 5\.1\)", text, re.MULTILINE)


# ---- one reference --------------------------------------------------------------------------------


def test_a_whole_entry() -> None:
    assert bibtex([techniques.L1(0.1)]).split("\n\n", 1)[0] == (
        "@article{tibshirani1996regression,\n"
        "  author = {Tibshirani, R.},\n"
        "  title = {Regression shrinkage and selection via the lasso},\n"
        "  journal = {JRSS B},\n"
        "  volume = {58},\n"
        "  number = {1},\n"
        "  year = {1996},\n"
        "  doi = {10.1111/j.2517-6161.1996.tb02080.x},\n"
        "  url = {https://doi.org/10.1111/j.2517-6161.1996.tb02080.x},\n"
        "  annote = {l1}\n"
        "}"
    )


def test_several_references_and_their_labels() -> None:
    decoupled, cautious = references(techniques.WeightDecay)
    assert (decoupled.label, decoupled.venue, decoupled.year) == ("", "ICLR", 2019)
    assert (cautious.label, cautious.title, cautious.others) == ("cautious", "Cautious weight decay", True)
    assert "eprint = {2510.12402}" in cautious.entry("k")
    assert cautious.entry("k").startswith("@misc{k,\n  author = {Chen, L. and others},")


@pytest.mark.parametrize(
    ("text", "authors", "title", "venue", "detail"),
    [
        ("A. B. Cee, Title, 2020", ("A. B. Cee",), "Title", "", ""),
        ("A. van der Cee and T.-Y. Dee, Title, ICML 2020", ("A. van der Cee", "T.-Y. Dee"), "Title", "ICML", ""),
        ("A. Cee, B. Dee and Ł. Eff, Title: more, IEEE X 3(1–2), 2020, section 5", ("A. Cee", "B. Dee", "Ł. Eff"),
         "Title: more", "IEEE X 3(1–2)", "section 5"),
        ("A. Cee and B. Dee, C. elegans at rest, X 1, 2020", ("A. Cee", "B. Dee"), "C. elegans at rest", "X 1", ""),
        ("A. Cee et al., “Long, longer”, ICLR workshop 2020", ("A. Cee",), "Long, longer", "ICLR workshop", ""),
        ("A. Cee and the X team, X: a tool, Zenodo, 2020", ("A. Cee", "the X team"), "X: a tool", "Zenodo", ""),
        ("A. Cee, Title of 1984, a book, Press, 2020", ("A. Cee",), "Title of 1984", "a book, Press", ""),
    ],
)  # fmt: skip
def test_forms(text: str, authors: tuple[str, ...], title: str, venue: str, detail: str) -> None:
    (read,) = parse(f"{text}, https://example.org/a_b.", "test")
    assert (read.authors, read.title, read.venue, read.detail) == (authors, title, venue, detail)
    assert (read.year, read.url) == (2020, "https://example.org/a_b")


def test_pages_and_numbers() -> None:
    (read,) = parse("A. Cee, Title, Journal of X 12(3–4), 101–120, 2020, https://example.org", "test")
    entry = read.entry("k")
    assert "@article{k," in entry
    for line in ("journal = {Journal of X}", "volume = {12}", "number = {3--4}", "pages = {101--120}"):
        assert line in entry


def test_what_cannot_be_read_names_the_technique_and_the_form() -> None:
    with pytest.raises(InputError, match=r"^test_citations: a reference must be written 'A\. Author.*'somebody"):
        references(Doubtful)
    for text, missing in (
        ("A. Cee, Title, ICML, https://x.org", "its year"),
        ("A. Cee, Title, ICML 2020", "its link"),
        ("Title, ICML 2020, https://x.org", "its authors"),
        ("the X team, Title, ICML 2020, https://x.org", "its authors"),
    ):
        with pytest.raises(InputError, match=missing):
            parse(text, "test")


# ---- BibTeX ---------------------------------------------------------------------------------------


def test_escaping() -> None:
    assert escaped("Müller & Çelik, 5 % of $1_000 #2 {x} ~^\\") == (
        r"M{\"u}ller \& {\c C}elik, 5 \% of \$1\_000 \#2 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    assert escaped("Ł. Ørsted, “ß” – Šé") == r"{\L}. {\O}rsted, ``{\ss}'' -- {\v S}{\'e}"


def test_titles_keep_their_capitals() -> None:
    (read,) = parse("A. Cee, R-Drop and the Jacobian of CNNs: Adam, 2020, https://x.org", "test")
    assert "title = {{R-Drop} and the {Jacobian} of {CNNs}: {Adam}}" in read.entry("k")
    assert read.key() == "cee2020drop"


def test_links_are_left_as_they_are() -> None:
    (read,) = parse("A. Cee, Title, 2020, https://doi.org/10.1007/3-540-49430-8_3", "test")
    assert "doi = {10.1007/3-540-49430-8_3}" in read.entry("k")
    assert "url = {https://doi.org/10.1007/3-540-49430-8_3}" in read.entry("k")


def test_two_publications_of_one_name_get_letters() -> None:
    from goodfit.citations import _keys

    one, two = (parse(f"A. Cee, Title, 2020, https://{host}.org", "test")[0] for host in ("b", "a"))
    assert _keys([one, two]) == {"https://b.org": "cee2020titleb", "https://a.org": "cee2020titlea"}


def test_goodfit_itself_as_in_the_citation_file() -> None:
    known = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    text = bibtex([])
    assert f"title = {{{known['title']}}}" in text
    assert f"version = {{{goodfit.__version__}}}" in text
    assert f"year = {{{known['date-released'].year}}}" in text
    assert f"license = {{{known['license']}}}" in text
    assert f"author = {{{{{known['authors'][0]['name']}}}}}" in text
