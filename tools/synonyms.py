"""Build src/goodfit/data/text/wordnet/synonyms.json.gz: a few synonyms for each word, of one part of speech.

Usage: python tools/synonyms.py WORDNET
WORDNET: a .json.gz file of WordNet 3.0, {word: {part of speech (a, n, r, v): [synonyms, the most frequent first]}}.

- Which part of speech a word has in a sentence is not known, so each word keeps one: that which `USUAL` says, else the
  one in which it has most synonyms, because words used often have many senses.
- Words of grammar (`GRAMMAR`) get none: WordNet knows "in" as inches and "he" as helium.
- Synonyms with capitals are names and abbreviations; they are left out, so that the case of letters stays, as is what
  is not one word for `goodfit.data.text.tokens.tokens`.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

MOST = 5
TARGET = Path(__file__).resolve().parent.parent / "src" / "goodfit" / "data" / "text" / "wordnet" / "synonyms.json.gz"
GRAMMAR = frozenset(
    [
        "a",
        "about",
        "above",
        "across",
        "after",
        "again",
        "against",
        "all",
        "am",
        "among",
        "an",
        "and",
        "another",
        "any",
        "anybody",
        "anyone",
        "anything",
        "are",
        "as",
        "at",
        "be",
        "became",
        "because",
        "been",
        "before",
        "behind",
        "being",
        "below",
        "beside",
        "besides",
        "between",
        "beyond",
        "both",
        "but",
        "by",
        "can",
        "cannot",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "done",
        "down",
        "during",
        "each",
        "either",
        "else",
        "ever",
        "every",
        "everybody",
        "everyone",
        "everything",
        "except",
        "few",
        "for",
        "from",
        "had",
        "has",
        "have",
        "having",
        "he",
        "hence",
        "her",
        "here",
        "hers",
        "herself",
        "him",
        "himself",
        "his",
        "how",
        "however",
        "i",
        "if",
        "in",
        "inside",
        "into",
        "is",
        "it",
        "its",
        "itself",
        "less",
        "lest",
        "let",
        "like",
        "many",
        "may",
        "me",
        "might",
        "mine",
        "more",
        "most",
        "much",
        "must",
        "my",
        "myself",
        "near",
        "neither",
        "never",
        "nevertheless",
        "no",
        "nobody",
        "none",
        "nor",
        "not",
        "nothing",
        "now",
        "of",
        "off",
        "often",
        "on",
        "once",
        "one",
        "only",
        "onto",
        "or",
        "other",
        "others",
        "our",
        "ours",
        "ourselves",
        "out",
        "outside",
        "over",
        "own",
        "per",
        "rather",
        "s",
        "same",
        "shall",
        "she",
        "should",
        "since",
        "so",
        "some",
        "somebody",
        "someone",
        "something",
        "somewhere",
        "still",
        "such",
        "t",
        "than",
        "that",
        "the",
        "their",
        "theirs",
        "them",
        "themselves",
        "then",
        "there",
        "therefore",
        "these",
        "they",
        "this",
        "those",
        "though",
        "through",
        "throughout",
        "thus",
        "till",
        "to",
        "together",
        "too",
        "toward",
        "towards",
        "under",
        "unless",
        "until",
        "up",
        "upon",
        "us",
        "very",
        "was",
        "we",
        "well",
        "were",
        "what",
        "whatever",
        "when",
        "where",
        "whereas",
        "wherever",
        "whether",
        "which",
        "while",
        "who",
        "whoever",
        "whole",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "within",
        "without",
        "would",
        "yes",
        "yet",
        "you",
        "your",
        "yours",
        "yourself",
        "yourselves",
    ]
)
USUAL = {
    word: part
    for part, words in {
        "a": "free light round right fine second cold warm open close last present",
        "n": "place study order pack cat back water box cup prize claim",
        "r": "even",
        "v": "want need help drink sleep wait stop mean",
    }.items()
    for word in words.split()
}
"""Frequent words whose usual part of speech is not the one with most synonyms."""

WORD = re.compile(r"[a-z]+(['-][a-z]+)*")


def table(wordnet: dict[str, dict[str, list[str]]]) -> dict[str, list[str]]:
    """Word → its synonyms, the most frequent first."""
    found = {}
    for word, parts in sorted(wordnet.items()):
        if word in GRAMMAR or not WORD.fullmatch(word):
            continue
        kept = {part: [s for s in some if WORD.fullmatch(s) and s not in GRAMMAR] for part, some in parts.items()}
        usual = kept.get(USUAL.get(word, ""), [])
        chosen = usual or max((kept[part] for part in sorted(kept)), key=len)
        if chosen:
            found[word] = chosen[:MOST]
    return found


def main() -> int:
    """Read, choose, write."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as file:
        found = table(json.load(file))
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    TARGET.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(found)} words, {sum(map(len, found.values()))} synonyms, {TARGET.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
