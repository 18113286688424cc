"""Build src/goodfit/data/text/wordnet/synonyms.json.gz: up to five synonyms for each word.

Usage: python tools/synonyms.py WORDNET
WORDNET: a .json.gz file of WordNet 3.0, {word: {part of speech (a, n, r, v): [synonyms, the most frequent first]}}.

- The part of speech of a word in a sentence is unknown, so each word keeps the synonyms of one: the one in `USUAL`, or
  else the one with most synonyms, because frequent words have many senses.
- Function words (`GRAMMAR`) get no synonyms: WordNet lists "in" as inches and "he" as helium.
- Synonyms with capitals (names and abbreviations) and synonyms that are not a single word for
  `goodfit.data.text.tokens.tokens` are left out.
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
    synonyms = {}
    for word, parts in sorted(wordnet.items()):
        if word in GRAMMAR or not WORD.fullmatch(word):
            continue
        kept = {part: [s for s in some if WORD.fullmatch(s) and s not in GRAMMAR] for part, some in parts.items()}
        usual = kept.get(USUAL.get(word, ""), [])
        chosen = usual or max((kept[part] for part in sorted(kept)), key=len)
        if chosen:
            synonyms[word] = chosen[:MOST]
    return synonyms


def main() -> int:
    """Read WordNet, choose synonyms and write them."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as file:
        synonyms = table(json.load(file))
    text = json.dumps(synonyms, ensure_ascii=False, separators=(",", ":"))
    TARGET.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(synonyms)} words, {sum(map(len, synonyms.values()))} synonyms, {TARGET.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
