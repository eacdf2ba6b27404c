"""The words of texts and of questions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from domain.market.searching import LETTERS_MAX, WORDS_MAX, asked_words, words_of


def test_words_are_letters_and_digits_without_case_and_accents():
    text = '  Straßen-Übersicht 2.0: Ｆｕｌｌ, ｗｉｄｔｈ; ŝtormo\0 und "Anna\'s" 名前 ㎒ '

    words = words_of(text)

    assert words == [*("strassen", "ubersicht", "2", "0", "full", "width", "stormo", "und", "anna", "s", "名前", "mhz")]


def test_a_question_has_each_word_once_and_its_last_one_at_the_end():
    assert asked_words("hr forms HR onboarding Forms") == ("hr", "onboarding", "forms")
    assert asked_words(" \"*'() - : \0") == ()


def test_very_long_words_and_questions_are_cut():
    words = asked_words("a" * 10_000 + " " + " ".join(f"w{n}" for n in range(3000)))

    assert (len(words), words[0], words[-1]) == (WORDS_MAX, "a" * LETTERS_MAX, "w2999")


@given(some.text())
def test_a_text_is_found_by_its_own_words(text):
    assert set(asked_words(text)) <= set(words_of(text))
    assert all(word.isalnum() and words_of(word) == [word] for word in words_of(text))
