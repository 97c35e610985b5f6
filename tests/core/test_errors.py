from __future__ import annotations

import time

from xray.core.errors import ConfigError, unknown


def test_an_error_lists_some_of_many_choices() -> None:
    started = time.process_time()
    message = str(unknown("label", "red fox", [f"label {number}" for number in range(1_000_000)]))
    assert time.process_time() - started < 5
    assert len(message) < 10_000
    assert "999,900" in message


def test_an_error_does_not_quote_a_whole_file() -> None:
    assert len(str(ConfigError("cannot read <" + "a" * 100_000 + ">"))) < 5000
