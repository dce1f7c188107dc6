"""`manage.py sealing_keys`: manages the keys that seal the API wallet keys.

Runs on the host of the execution worker, where the private keys are stored as files.
"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from wallets.services import keys
from wallets.vault import NoSealingKey, VaultLocked


class Command(BaseCommand):
    help = "Manage sealing keys: init, rotate, reseal, retire KID, list, check."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        for name, does in (
            ("init", "create the first key; refused while sealed rows exist without their key"),
            ("rotate", "create a new key, which is used for sealing from now on"),
            ("reseal", "seal everything with the newest key; can be interrupted and repeated"),
            ("list", "list every key, the number of rows it seals, and whether its file is present"),
            ("check", "unseal every sealed key, to verify that a backup can be restored"),
        ):
            what.add_parser(name, help=does)
        retire = what.add_parser("retire", help="retire a key that seals nothing, and delete its file")
        retire.add_argument("kid")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = settings.SEALING_KEY_DIR
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
        if key := keys.sealing_keys_init(folder=folder):
            self.stdout.write(f"made {key.kid} in {folder}; keep a copy apart from the database's")

    def _rotate(self, folder: Path) -> None:
        key = keys.sealing_key_create(folder=folder)
        self.stdout.write(
            f"{key.kid} is used for sealing from now on; `sealing_keys reseal` re-seals existing rows"
        )

    def _reseal(self, folder: Path) -> None:
        count = keys.secrets_reseal(folder=folder)
        remaining = keys.secrets_on_old_keys()
        self.stdout.write(f"resealed {count}; {remaining} left" + (": run it again" if remaining else ""))

    def _list(self, folder: Path) -> None:
        for state in keys.sealing_keys_list(folder=folder):
            file = "present" if state.present else "MISSING" if not state.retired_at else "deleted"
            ended = f", ended {state.retired_at:%Y-%m-%d}" if state.retired_at else ""
            self.stdout.write(
                f"{state.kid}  made {state.created_at:%Y-%m-%d}  seals {state.rows}  file {file}{ended}"
            )
