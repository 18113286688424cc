"""Splitting of texts into words, in any script; numbers, emoji and punctuation marks are words too."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f"
)
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
PICTURE = "[\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"
TONE = "[\ufe0f\U0001f3fb-\U0001f3ff]*"
CODES = (0x300, 0x1E944 + 16)
"""The range of characters in which the combining marks are."""


def tokenize(text: str) -> list[str]:
    """Split a text into words, with letters in folded case.

    Adjacent letters and digits are one word, also with an apostrophe or a hyphen between them; a number includes its
    points and commas; an emoji with its skin tone and joined emoji is one word, and so is a flag; up to three equal
    punctuation marks in a row are one word. In scripts without spaces between words, each letter is a word.

    >>> tokenize("Don't pay £1.50 — WIN NOW!!!!! 👍🏽 gr8")
    ["don't", 'pay', '£', '1.50', '—', 'win', 'now', '!!!', '!!', '👍🏽', 'gr8']
    >>> tokenize("我爱你 हिन्दी Straße")
    ['我', '爱', '你', 'हिन्दी', 'strasse']
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return [match.group() for match in _pattern().finditer(folded)]


@cache
def _pattern() -> re.Pattern[str]:
    marks = _marks()
    letter = f"(?:(?![{UNSPACED}])[^\\W_][{marks}]*)"
    alternatives = [
        "[0-9#*]\ufe0f?\u20e3",  # keys: 1️⃣
        "[\U0001f1e6-\U0001f1ff]{2}",  # flags
        f"{PICTURE}{TONE}(?:\u200d{PICTURE}{TONE})*",
        r"\d+(?:[.,:/]\d+)+(?![^\W_])",
        f"{letter}(?:{letter}|['-](?={letter}))*",
        f"[{UNSPACED}][{marks}]*",
        r"([^\w\s])\1{0,2}",
        "_+",
    ]
    return re.compile("|".join(alternatives))


def _marks() -> str:
    """Combining marks, such as vowel signs, as ranges of a regular expression."""
    ranges: list[list[int]] = []
    for code in range(*CODES):
        if unicodedata.category(chr(code))[0] != "M" or 0xFE00 <= code <= 0xFE0F:
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
