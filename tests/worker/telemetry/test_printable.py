from hypothesis import given
from hypothesis import strategies as st

from worker.telemetry.printable import printable, printable_values


def test_an_escape_sequence_and_a_turn_of_direction_are_written_out() -> None:
    assert printable("\x1b[2Jspam\u202egnp") == "\\x1b[2Jspam\\u202egnp"


def test_lines_accents_emoji_and_other_scripts_stay_as_they_are() -> None:
    text = "zeile\n\täöü 漢字 العربية 👩‍👩‍👧 ❤️"
    assert printable(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_keeps_a_control_character(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")  # raises where half of a pair is left
    assert not {character for character in shown if ord(character) < 32} - {"\n", "\t"}
    assert printable(shown) == shown


def test_every_string_inside_a_value_is_made_printable_and_the_rest_is_kept() -> None:
    error = (ValueError, ValueError("x"), None)
    assert printable_values({"a\x07": ["\x1b", 3], "raised": error}) == {"a\\x07": ["\\x1b", 3], "raised": error}
