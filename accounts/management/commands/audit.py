"""`manage.py audit`: verifies and exports the audit log, prints the SQL grants of the application's role."""

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from accounts import audit
from accounts.domain.hash_chain import NOTHING, ChainFault, Head, Link, verify_chain
from accounts.models import AuditEntry

GRANTS = """\
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
REVOKE UPDATE, DELETE, TRUNCATE ON accounts_auditentry FROM {role};
REVOKE DELETE, TRUNCATE ON accounts_audithead FROM {role};"""


class Command(BaseCommand):
    help = "verify: find changed or missing entries. export: print all as JSON lines. grants: SQL for a role."

    def add_arguments(self, parser: CommandParser) -> None:
        subcommands = parser.add_subparsers(dest="subcommand", required=True)
        verify = subcommands.add_parser("verify")
        verify.add_argument("--file", type=Path, help="an export to verify instead of the database")
        verify.add_argument("--head", type=_head, help="SEQ:HASH noted earlier that the log must contain")
        subcommands.add_parser("export")
        grants = subcommands.add_parser("grants")
        grants.add_argument("role", help="the database role that the processes use; not the tables' owner")

    def handle(self, *args: Any, **options: Any) -> None:
        handlers = {"verify": self._verify, "export": self._export, "grants": self._grants}
        handlers[options["subcommand"]](options)

    def _verify(self, options: dict[str, Any]) -> None:
        """Print the faults and exit with status 1, or print the head, to be noted outside this machine."""
        faults, head = _verify_file(options) if options["file"] else _verify_database(options)
        for fault in faults:
            self.stderr.write(str(fault))
        if faults:
            raise CommandError(f"the audit log has {len(faults)} faults", returncode=1)
        self.stdout.write(f"intact: {head.seq} entries, head {head}")

    def _export(self, options: dict[str, Any]) -> None:
        for row in audit.exported(AuditEntry.objects.order_by("seq").iterator()):
            self.stdout.write(json.dumps(row, sort_keys=True, ensure_ascii=False))

    def _grants(self, options: dict[str, Any]) -> None:
        self.stdout.write(GRANTS.format(role=connection.ops.quote_name(options["role"])))


def _head(text: str) -> Head:
    seq, _, digest = text.partition(":")
    if not seq.isdigit() or len(digest) != 64:
        raise ArgumentTypeError("write SEQ:HASH as `audit verify` prints it")
    return Head(int(seq), digest)


def _verify_database(options: dict[str, Any]) -> tuple[list[ChainFault], Head]:
    return audit.verify(noted=options["head"]), audit.head_get()


def _verify_file(options: dict[str, Any]) -> tuple[list[ChainFault], Head]:
    last = NOTHING

    def links() -> Iterator[Link]:
        nonlocal last
        for link in _links(options["file"]):
            last = link.head
            yield link

    try:
        return list(verify_chain(links(), [options["head"]] if options["head"] else [])), last
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"cannot read {options['file']}: {error!r}") from error


def _links(path: Path) -> Iterator[Link]:
    with sys.stdin if str(path) == "-" else path.open(encoding="utf-8") as lines:
        for line in lines:
            yield audit.link_parse(json.loads(line))
