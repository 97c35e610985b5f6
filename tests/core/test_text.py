import pytest

from xray.core.text import decode_text, load_json, printable


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [
        ("short", 10, "short"),
        ("0123456789abc", 7, "012…abc"),
        ("tab\there", None, "tab here"),
        ("é\u0000", None, "é\ufffd"),
    ],
)
def test_shown(name, width, expected):
    assert printable(name, width) == expected


TEXTS = ['{"a": "狐"}\n', "model,accuracy\n", "一" + "a" * 30, ""]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", TEXTS)
def test_unicode_is_read_in_all_its_encodings(text, encoding):
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        ("a\nWörter".encode("cp1252"), "line 2 .*cp1252 reads 'Wörter'"),
        ("a\n狐狸".encode("gb18030"), "line 2 .*gb18030 reads '狐狸'"),
        ("キツネ".encode("shift_jis"), "line 1 .*shift_jis reads 'キツネ'"),
        (b"PK\x03\x04\x00\x00\x01\x00", "not text"),
        (b"\xff\xfea", "damaged UTF-16"),
    ],
)
def test_other_encodings_are_named(data, seen):
    with pytest.raises(ValueError, match=seen):
        decode_text(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'["\ud800", "\ud83e\udd8a", "\\ud800", "\udcff\ud83e\udd8a"]', ["\ufffd", "🦊", "\\ud800", "\ufffd🦊"]),
        (f"[{'9' * 5000}, -{'9' * 5000}, 7]", [float("inf"), float("-inf"), 7]),
    ],
)
def test_json_that_no_table_can_hold_is_replaced(text, value):
    assert load_json(text.encode()) == value


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[1", "", "nul"])
def test_json_that_is_none_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"nested|Expecting"):
        load_json(text)
