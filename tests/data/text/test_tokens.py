from __future__ import annotations

import pytest

from goodfit.data.text.tokens import tokenize

EXAMPLES = {
    "Call 08452810075 NOW!!": ["call", "08452810075", "now", "!!"],
    "It's T&C's, well-known": ["it's", "t", "&", "c's", ",", "well-known"],
    "don’t DON'T": ["don't", "don't"],
    "£1.50 1,000.5 12:30 3/4 50p gr8": ["£", "1.50", "1,000.5", "12:30", "3/4", "50p", "gr8"],
    "wait..... ok?!": ["wait", "...", "..", "ok", "?", "!"],
    "Ünïcode STRASSE Straße": ["ünïcode", "strasse", "strasse"],
    "e\u0301te\u0301": ["été"],  # letters with marks apart
    "Привет, МИР": ["привет", ",", "мир"],
    "हिन्दी में": ["हिन्दी", "में"],
    "مَرْحَبًا": ["مَرْحَبًا"],
    "我爱你 カナ": ["我", "爱", "你", "カ", "ナ"],
    "ＦＵＬＬ１２": ["full12"],
    "👍🏽👍 👩‍👩‍👧 ❤️ 🇬🇧🇫🇷 1️⃣": ["👍🏽", "👍", "👩‍👩‍👧", "❤️", "🇬🇧", "🇫🇷", "1️⃣"],
    "a_b __": ["a", "_", "b", "__"],
    "": [],
    " \t\n": [],
}


@pytest.mark.parametrize(("text", "expected"), EXAMPLES.items())
def test_words_of_any_script(text: str, expected: list[str]) -> None:
    assert tokenize(text) == expected


@pytest.mark.parametrize("text", [text for text in EXAMPLES if "e\u0301" not in text])
def test_only_spaces_are_removed(text: str) -> None:
    import unicodedata

    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    assert "".join(tokenize(text)) == "".join(plain.split())
