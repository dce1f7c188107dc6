"""What the simulator remembers between two lives: one file, replaced whole."""

import logging
from pathlib import Path
from typing import Any

import orjson

logger = logging.getLogger(__name__)

NAME = "world.json"
VERSION = 1


def state_read(folder: Path) -> dict[str, Any] | None:
    """What was saved last, or None: nothing, or nothing that this version can read."""
    try:
        saved = orjson.loads((folder / NAME).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError):
        logger.exception("the saved world cannot be read; starting a new one")
        return None
    if not isinstance(saved, dict) or saved.get("version") != VERSION:
        logger.warning("the saved world is of another version; starting a new one")
        return None
    return saved


def state_encode(dump: dict[str, Any]) -> bytes:
    return orjson.dumps({"version": VERSION, **dump})


def state_write(folder: Path, encoded: bytes) -> None:
    """Replace the file; a crash leaves the old or the new one, never half of one."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{NAME}.new"
    draft.write_bytes(encoded)
    draft.replace(folder / NAME)
