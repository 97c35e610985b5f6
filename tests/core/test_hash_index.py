from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xray.core.hash_index import HashIndex

names = st.lists(st.text(max_size=8), unique=True, max_size=50)


@given(names, names)
def test_every_name_is_found_at_its_position_and_no_other(known: list[str], others: list[str]) -> None:
    index = HashIndex(iter(known))
    assert [index.find(name) for name in known] == list(range(len(known)))
    assert all(index.find(name) is None for name in set(others) - set(known))
