"""JSON that Python would read, and that is refused all the same."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from himmel.errors import ApiError
from himmel.studio.strict_json import DEEPEST, LONGEST_NUMBER, MOST_VALUES, parsed

REFUSED = {
    "nothing": b"",
    "half": b'{"a": ',
    "two": b"{} {}",
    "no UTF-8": b'{"a": "\xff"}',
    "another encoding": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a number beyond all floats": b'{"a": 1e999}',
    "a long number": b'{"a": ' + b"1" * 100_000 + b"}",
    "a number of one digit too many": b"1" * (LONGEST_NUMBER + 1),
    "a long negative number": b"-" + b"1" * 5000,
    "a name twice": b'{"a": 1, "a": 2}',
    "a name twice, deep": b'[{"b": {"a": 1, "a": 2}}]',
    "half a character": b'{"a": "\\ud800"}',
    "half a character in a name": b'{"\\udfff": 1}',
    "a NUL": b'{"a": "x\\u0000"}',
    "a NUL in a name": b'{"\\u0000": 1}',
    "a NUL on the deepest level": b"[" * DEEPEST + b'"\\u0000"' + b"]" * DEEPEST,
    "too deep": b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    "far too deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep and broken": b"[" * 90_000,
    "many values": b"[" + b"0," * MOST_VALUES + b"0]",
    "many lists": b"[" + b"[]," * MOST_VALUES + b"0]",
    "many names": json.dumps({str(n): n for n in range(MOST_VALUES + 2)}).encode(),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused(what):
    with pytest.raises(ApiError) as refused:
        parsed(REFUSED[what])
    assert (refused.value.status, refused.value.code) == (400, "invalid_json")


def test_the_last_that_is_allowed_is_allowed():
    assert parsed(b"[" * DEEPEST + b"]" * DEEPEST) == eval("[" * DEEPEST + "]" * DEEPEST)
    assert parsed(b"1" * LONGEST_NUMBER) == int("1" * LONGEST_NUMBER)
    assert parsed(b'["\\ud83d\\ude00", "\xc3\xa9"]') == ["😀", "é"]
    assert len(parsed(b"[" + b"0," * (MOST_VALUES - 1) + b"0]")) == MOST_VALUES


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(categories=["L"])), inner),
    max_leaves=3,
)  # fmt: skip


@given(st.lists(values, max_size=2))
def test_what_is_sound_is_read_as_python_reads_it(value):
    text = json.dumps(value).encode()
    assert parsed(text) == json.loads(text)


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_value_or_an_answer(text):
    with suppress(ApiError):
        json.dumps(parsed(text), ensure_ascii=False, allow_nan=False).encode()  # as answers are written
