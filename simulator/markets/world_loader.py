"""World loader: restores the saved world (one JSON file, replaced atomically) or creates a new one."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from simulator.markets.playback import Playback, Recording, playback_start, recordings_load
from simulator.markets.universe import UNIVERSE
from simulator.markets.world import World

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


FIRST_SEED = 1


@dataclass(frozen=True)
class WorldOptions:
    """Options of the world. `seed` None keeps the saved seed; `playback_from` is in recorded ms."""

    seed: int | None = None
    playback_dir: Path | None = None
    playback_from: int | None = None
    speed: float = 1.0


def world_open(options: WorldOptions, *, state: Path | None, now: int) -> World:
    """Open a world. Raises `ValueError` when the recordings cannot be played, `OSError` when they cannot be read."""
    saved = state_read(state) if state else None
    seed = options.seed if options.seed is not None else (saved or {}).get("seed", FIRST_SEED)
    recordings = _recordings(options.playback_dir)
    playback = _playback(options, recordings, saved, now)
    shocks = (saved or {}).get("shocks") if saved and saved["seed"] == seed else None
    world = World(seed=seed, now=now, recordings=recordings, playback=playback, shocks=shocks)
    if saved:
        world.restore(saved)
    return world


def _recordings(folder: Path | None) -> dict[str, Recording]:
    if folder is None:
        return {}
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder of recorded candles")
    found = recordings_load(folder, UNIVERSE)
    if not found:
        raise ValueError(f"{folder} holds no <SYMBOL>-<interval>.csv.gz of a listed instrument")
    logger.info("playing recorded prices of %s", ", ".join(found))
    return found


def _playback(
    options: WorldOptions, recordings: Mapping[str, Recording], saved: Mapping[str, Any] | None, now: int
) -> Playback | None:
    """The saved playback if it has the same recordings and speed, else a new one."""
    if not recordings:
        return None
    if not 0 < options.speed <= 100_000:
        raise ValueError("speed must be above 0 and at most 100000")
    fresh = playback_start(recordings.values(), now, speed=options.speed, start=options.playback_from)
    if (
        saved
        and options.playback_from is None
        and saved["playback"]
        and saved["followed"] == sorted(recordings)
    ):
        old = Playback(**saved["playback"])
        if (old.end, old.speed) == (fresh.end, fresh.speed):
            return old
    return fresh
