"""Saved state of the simulated world: one JSON file, replaced atomically."""

import logging
from pathlib import Path
from typing import Any

import orjson

logger = logging.getLogger(__name__)

NAME = "world.json"
VERSION = 1


def state_read(folder: Path) -> dict[str, Any] | None:
    """The last saved state; None when there is none or it has another version."""
    try:
        saved = orjson.loads((folder / NAME).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError):
        logger.exception("saved world cannot be read; starting a new one")
        return None
    if not isinstance(saved, dict) or saved.get("version") != VERSION:
        logger.warning("saved world has another version; starting a new one")
        return None
    return saved


def state_encode(dump: dict[str, Any]) -> bytes:
    return orjson.dumps({"version": VERSION, **dump})


def state_write(folder: Path, encoded: bytes) -> None:
    """Replace the file atomically: a crash leaves either the old or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{NAME}.new"
    draft.write_bytes(encoded)
    draft.replace(folder / NAME)
