import pytest

from xray.core.text import printable


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
