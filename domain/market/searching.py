"""Texts as the search of the marketplace knows them: words, cut here so that every database finds the same (pure)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

#: letters of a word that count; databases bound theirs at some 2,000 bytes
LETTERS_MAX = 64
#: different words of a question that count
WORDS_MAX = 32


def words_of(text: str) -> list[str]:
    """The words of a text in their order: letters and digits, case-folded, without their accents.

    Whatever else stands in a text (quotes, operators, NUL) only ends a word, so that no question means anything to a
    database but its words.
    """
    folded = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(letter for letter in folded if not unicodedata.category(letter).startswith("M"))
    return [word[:LETTERS_MAX] for word in "".join(_cut(plain)).split()]


def asked_words(text: str) -> tuple[str, ...]:
    """The words of a question, each once, its last word at the end: that one may be the beginning of a word."""
    *words, last = words_of(text) or [""]
    before = [word for word in dict.fromkeys(words) if word != last]
    return (*before[: WORDS_MAX - 1], last) if last else ()


def _cut(text: str) -> Iterator[str]:
    return (letter if letter.isalnum() else " " for letter in text)
