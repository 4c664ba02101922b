"""What is asked of who misspelt a word."""

from ledger.spelling import meant


def test_a_misspelt_word_is_answered_with_those_that_are_like_it_the_likest_first() -> None:
    assert meant("regoins", {"seed", "minutes", "regions"}) == "is it regions?"
    assert meant("case.opn", ("case.open", "case.note", "case.close")).startswith("is it case.open")
    assert meant("窗口", {"seed", "minutes"}) == ""
