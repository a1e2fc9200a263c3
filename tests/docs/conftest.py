"""Makes the pages' helpers, and the reference's generator, importable from this folder's tests."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for _folder in (HERE, HERE.parents[1] / "scripts"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
