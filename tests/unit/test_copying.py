"""Names of copies: free, short enough, and known again."""

from __future__ import annotations

from domain.artifact_types import ArtifactType
from domain.bundle import NAME_LENGTH_MAX
from domain.copying import copies_of, first_free, names_to_try
from tests.makers import a_head

FORM = ArtifactType.ATLAS_FORM


def test_a_copy_gets_the_first_number_that_is_free_whatever_the_case():
    names = names_to_try("Expense form", 0)
    taken = {(FORM, "expense form (2)"), (FORM, "expense form (3)"), (ArtifactType.RULE_SET, "expense form (4)")}

    assert names[:2] == ["Expense form (2)", "Expense form (3)"]
    assert first_free(FORM, names, taken) == "Expense form (4)"
    assert first_free(FORM, names, {(FORM, name.casefold()) for name in names}) is None
    assert names_to_try("Expense form", 1)[0] == f"Expense form ({len(names) + 2})"


def test_the_copy_of_a_long_name_still_has_a_name_that_an_artifact_may_have():
    (name, *_) = names_to_try("x" * NAME_LENGTH_MAX, 0)

    assert (len(name), name[-4:]) == (NAME_LENGTH_MAX, " (2)")
    assert copies_of("x" * NAME_LENGTH_MAX, FORM, [a_head("form-1", name)]) == [a_head("form-1", name)]


def test_a_copy_is_known_by_its_name_and_its_type():
    copy, upper = a_head("form-1", "Form (2)"), a_head("form-2", "FORM (17)")
    others = [a_head("form-3", "Form"), a_head("form-4", "Form (2) old"), a_head("form-5", "Form (02)")]

    assert copies_of("Form", FORM, [copy, *others, upper, a_head("rule-1", "Form (2)")]) == [copy, upper]
