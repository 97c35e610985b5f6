"""Run one of the chaos programs; each prints its figures, and as one JSON object in its last line.

python tests/chaos kills --workers 100 --actors 100 --nodes 30 --drivers 50 --links 2
python tests/chaos bitrot --flips 100
python tests/chaos readers --flips 20
python tests/chaos soak --images 100000
python tests/chaos fuzz --files 1000000
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

PROGRAMS = ("kills", "bitrot", "readers", "soak", "fuzz")


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PROGRAMS:
        sys.exit(f"{__doc__}\nchoose from {', '.join(PROGRAMS)}")
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests.parent)]
    sys.argv = [f"chaos {name}", *sys.argv[2:]]
    importlib.import_module(f"chaos.{name}").main()


if __name__ == "__main__":
    main()
