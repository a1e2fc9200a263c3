"""Writes ``.env`` for docker compose: ``.env.example`` with a random secret behind every name without a value.

Needs nothing but Python. An existing ``.env`` is kept; if it lacks a variable the example has, the names are listed
and the status is 1.
"""

import base64
import os
import re
import secrets
import sys
from pathlib import Path

_ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def secret() -> str:
    """Return 32 random bytes in URL-safe base64: a valid Fernet key, and a password that needs no quoting in a URL."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def filled(example: str) -> str:
    """Return the text of ``example`` with a fresh secret behind every name without a value."""
    return _ASSIGNMENT.sub(lambda found: found[0] if found[2] else f"{found[1]}={secret()}", example)


def missing(example: str, present: str) -> list[str]:
    """Return the names that ``example`` assigns and ``present`` does not."""
    return [name for name, _ in _ASSIGNMENT.findall(example) if name not in dict(_ASSIGNMENT.findall(present))]


def main(folder: Path) -> int:
    """Write ``folder/.env`` and return the exit status."""
    target, example = folder / ".env", (folder / ".env.example").read_text()
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if lacking := missing(example, target.read_text()):
            sys.stderr.write(f".env is there and kept, but lacks {', '.join(lacking)}; .env.example explains them.\n")
            return 1
        sys.stdout.write(".env is there and complete; nothing was changed. Remove it to get new secrets.\n")
        return 0
    with os.fdopen(descriptor, "w") as file:
        file.write(filled(example))
    sys.stdout.write("Wrote .env with fresh secrets, for your eyes only. Next: docker compose up --wait\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[1]))
