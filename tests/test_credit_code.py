"""The unified social credit code: published codes, and every way to get one wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.credit_code import CHARACTERS, MESSAGES, CreditCodeError, check, check_digit, normalise

PUBLISHED = ["91110000101623741K", "911101066976941872", "91350100M000100Y43", "91110000600037341L"]
ALPHABET = sorted(CHARACTERS)
PREFIXES = ["91", "92", "93", "12", "52", "A1", "N1", "N2", "N3", "Y1"]


@st.composite
def codes(draw: st.DrawFn) -> str:
    """A code whose last character was computed."""
    region = draw(st.text("0123456789", min_size=6, max_size=6))
    organisation = draw(st.text(ALPHABET, min_size=9, max_size=9))
    first17 = draw(st.sampled_from(PREFIXES)) + region + organisation
    return first17 + check_digit(first17)


def reason(code: str) -> str:
    with pytest.raises(CreditCodeError) as refused:
        check(code)
    assert refused.value.message == MESSAGES[refused.value.code]
    return refused.value.code


@pytest.mark.parametrize("code", PUBLISHED)
def test_published_codes_pass(code: str) -> None:
    assert check(code) == code


@given(codes())
def test_computed_codes_pass(code: str) -> None:
    assert check(code) == code


@given(codes(), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_any_one_changed_character_fails(code: str, place: int, other: str) -> None:
    if code[place] != other:
        assert reason(code[:place] + other + code[place + 1 :])


@given(codes(), st.integers(8, 16))
def test_swapped_neighbours_fail(code: str, place: int) -> None:
    if code[place] != code[place + 1]:
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        assert reason(swapped) == "credit_code_check_digit"


def test_a_remainder_of_nothing_gives_zero() -> None:
    # 5 × 1 + 1 × 26: the weighted sum is 31, where the formula read literally gives 31 instead of 0.
    assert check_digit("50000100000000000") == "0"


@pytest.mark.parametrize(
    "typed",
    [" 9111 0000 1016 2374 1k ", "９１１１００００１０１６２３７４１Ｋ", "\ufeff91110000101623741K\u200b"],
)
def test_spaces_width_and_case_do_not_matter(typed: str) -> None:
    assert normalise(typed) == check(typed) == "91110000101623741K"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", "credit_code_length"),
        ("9111000010162374", "credit_code_length"),
        ("91110000101623741KK", "credit_code_length"),
        ("9111000010162374IK", "credit_code_characters"),
        ("91110000101623741-", "credit_code_characters"),
        ("9111000A101623741K", "credit_code_characters"),
        ("91110000101623741中", "credit_code_characters"),
        ("0111000010162374" + "1K", "credit_code_prefix"),
        ("B1110000101623741K", "credit_code_prefix"),
        ("A2110000101623741K", "credit_code_prefix"),
        ("91110000101623741L", "credit_code_check_digit"),
        ("91350211M0000XUF46", "credit_code_check_digit"),
    ],
)
def test_each_fault_has_its_reason(code: str, expected: str) -> None:
    assert reason(code) == expected


def test_check_digit_refuses_what_is_not_seventeen_characters() -> None:
    with pytest.raises(CreditCodeError, match="18 位"):
        check_digit("91110000101623741K")
    with pytest.raises(CreditCodeError, match="I、O、S、V、Z"):
        check_digit("9111000010162374O")
