"""BibTeX: every reference of the catalogue is complete, and written with BibTeX's commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import goodfit
from goodfit import techniques
from goodfit.citations import bibtex, entry, entry_key, escaped
from goodfit.reference import Reference
from goodfit.technique import Technique

EVERY = pytest.mark.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())
ROOT = Path(__file__).resolve().parents[1]


def reference(**fields: Any) -> Reference:
    return Reference(**{"authors": ("A. Cee",), "title": "Title", "year": 2020, "url": "https://x.org"} | fields)


# ---- the catalogue --------------------------------------------------------------------------------


@EVERY
def test_every_reference_is_complete(technique: type[Technique]) -> None:
    assert technique.references
    for reference in technique.references:
        assert len(reference.title) > 3
        assert not reference.title.endswith((".", ","))
        assert 1900 < reference.year < 2100
        assert re.fullmatch(r"https?://\S+\w/?", reference.url)
        assert re.fullmatch(r"[a-z]+(19|20)\d\d[a-z0-9]+", entry_key(reference))
        assert not re.search(r"\d{4}|https?:|et al", reference.title + reference.venue)


def test_no_two_publications_have_one_key() -> None:
    links: dict[str, set[str]] = {}
    for technique in techniques.ALL.values():
        for reference in technique.references:
            links.setdefault(entry_key(reference), set()).add(reference.url)
    assert {key: urls for key, urls in links.items() if len(urls) > 1} == {}


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


def test_several_references_and_their_topics() -> None:
    decoupled, cautious = techniques.WeightDecay.references
    assert (decoupled.topic, decoupled.venue, decoupled.year) == ("", "ICLR", 2019)
    assert (cautious.topic, cautious.title, cautious.authors) == (
        "cautious",
        "Cautious weight decay",
        ("L. Chen", "et al."),
    )
    assert "eprint = {2510.12402}" in entry(cautious, "k")
    assert entry(cautious, "k").startswith("@misc{k,\n  author = {Chen, L. and others},")


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, ("@misc{k,", "author = {Cee, A.}")),
        ({"authors": ("A. van der Cee", "T.-Y. Dee"), "venue": "ICML"},
         ("@inproceedings{k,", "author = {van der Cee, A. and Dee, T.-Y.}", "booktitle = {ICML}")),
        ({"venue": "Journal of X", "volume": "12", "number": "3–4", "pages": "101–120"},
         ("@article{k,", "journal = {Journal of X}", "volume = {12}", "number = {3--4}", "pages = {101--120}")),
        ({"authors": ("A. Cee", "et al."), "venue": "arXiv"}, ("@misc{k,", "author = {Cee, A. and others}")),
        ({"authors": ("A. Cee", "the X team")}, ("author = {Cee, A. and {the X team}}",)),
    ],
)  # fmt: skip
def test_entries(fields: dict[str, Any], lines: tuple[str, ...]) -> None:
    text = entry(reference(**fields), "k")
    for line in (*lines, "year = {2020}", "url = {https://x.org}"):
        assert line in text


# ---- BibTeX ---------------------------------------------------------------------------------------


def test_escaping() -> None:
    assert escaped("Müller & Çelik, 5 % of $1_000 #2 {x} ~^\\") == (
        r"M{\"u}ller \& {\c C}elik, 5 \% of \$1\_000 \#2 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    assert escaped("Ł. Ørsted, “ß” – Šé") == r"{\L}. {\O}rsted, ``{\ss}'' -- {\v S}{\'e}"


def test_titles_keep_their_capitals() -> None:
    adam = reference(title="R-Drop and the Jacobian of CNNs: Adam")
    assert "title = {{R-Drop} and the {Jacobian} of {CNNs}: {Adam}}" in entry(adam, "k")
    assert entry_key(adam) == "cee2020drop"


def test_links_are_left_as_they_are() -> None:
    text = entry(reference(url="https://doi.org/10.1007/3-540-49430-8_3"), "k")
    assert "doi = {10.1007/3-540-49430-8_3}" in text
    assert "url = {https://doi.org/10.1007/3-540-49430-8_3}" in text


def test_two_publications_of_one_name_get_letters() -> None:
    from goodfit.citations import _unique_keys

    one, two = (reference(url=f"https://{host}.org") for host in ("b", "a"))
    assert _unique_keys([one, two]) == {"https://b.org": "cee2020titleb", "https://a.org": "cee2020titlea"}


def test_goodfit_itself_as_in_the_citation_file() -> None:
    known = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    text = bibtex([])
    assert f"title = {{{known['title']}}}" in text
    assert f"version = {{{goodfit.__version__}}}" in text
    assert f"year = {{{known['date-released'].year}}}" in text
    assert f"license = {{{known['license']}}}" in text
    assert f"author = {{{{{known['authors'][0]['name']}}}}}" in text
