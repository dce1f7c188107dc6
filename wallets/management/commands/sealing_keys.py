"""The keys that seal the keys of wallets. Runs where execution runs: their private halves are files there."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from wallets.services import keys
from wallets.vault import NoSealingKey, VaultLocked


class Command(BaseCommand):
    help = "init: the first key. rotate: a newer one. reseal: move everything to it. retire KID. list. check."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        for name, does in (
            ("init", "make the first key; never where sealed rows have lost theirs"),
            ("rotate", "make a newer key, which seals from now on"),
            ("reseal", "seal everything with the newest key; may be stopped and run again"),
            ("list", "every key, what it seals and whether its file is here"),
            ("check", "open every sealed key, to prove that a backup can be restored"),
        ):
            what.add_parser(name, help=does)
        retire = what.add_parser("retire", help="end a key that seals nothing, and delete its file")
        retire.add_argument("kid")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = settings.EXECUTION_KEYS
        try:
            match options["what"]:
                case "init":
                    self._init(folder)
                case "rotate":
                    self._rotate(folder)
                case "reseal":
                    self._reseal(folder)
                case "retire":
                    keys.sealing_key_retire(kid=options["kid"], folder=folder)
                    self.stdout.write(f"{options['kid']} is ended and its file deleted")
                case "check":
                    self.stdout.write(f"{keys.secrets_check(folder=folder)} sealed keys open")
                case "list":
                    self._list(folder)
        except (keys.KeysRefused, VaultLocked, NoSealingKey) as error:
            raise CommandError(str(error)) from error

    def _init(self, folder: Path) -> None:
        if made := keys.sealing_keys_init(folder=folder):
            self.stdout.write(f"made {made.kid} in {folder}; keep a copy apart from the database's")

    def _rotate(self, folder: Path) -> None:
        made = keys.sealing_key_create(folder=folder)
        self.stdout.write(f"{made.kid} seals from now on; `keys reseal` moves what is sealed already")

    def _reseal(self, folder: Path) -> None:
        done = keys.secrets_reseal(folder=folder)
        left = keys.secrets_behind()
        self.stdout.write(f"resealed {done}; {left} left" + (": run it again" if left else ""))

    def _list(self, folder: Path) -> None:
        for state in keys.sealing_keys_list(folder=folder):
            file = "present" if state.present else "MISSING" if not state.retired_at else "deleted"
            ended = f", ended {state.retired_at:%Y-%m-%d}" if state.retired_at else ""
            self.stdout.write(
                f"{state.kid}  made {state.created_at:%Y-%m-%d}  seals {state.rows}  file {file}{ended}"
            )
