"""`manage.py db_roles`: database roles of the processes with minimal rights.

Only `execution` reads sealed keys. Run after every `migrate`, as the owner of the tables with the right to create roles. Idempotent.
"""

import io
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from psycopg import sql

from core import env
from core.models import LeasedModel

WEB, FEED, EXECUTION, BOTS = ROLES = ("web", "feed", "execution", "bots")
APPEND_ONLY = (
    "wallets_ledgertransaction", "wallets_ledgerentry", "wallets_fill", "bots_botledgertransaction", "bots_botledgerentry",
)  # fmt: skip
FEED_PREFIXES = ("core_", "market_")

CREATE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN CREATE ROLE {role}; END IF;
END $$;
ALTER ROLE {role} LOGIN;
"""
# All rights are revoked and granted again, so that rights of older versions do not remain.
RESET = """
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role};
GRANT USAGE ON SCHEMA public TO {role};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
"""
# Ledger totals and append-only rows cannot be rewritten by any process, independently of the triggers.
LEDGER_RULES = f"""
REVOKE ALL ON wallets_walletsecret FROM {{role}};
REVOKE INSERT, UPDATE, DELETE ON wallets_sealingkey, wallets_balance, bots_botbalance FROM {{role}};
REVOKE UPDATE, DELETE ON {", ".join(APPEND_ONLY)} FROM {{role}};
"""
# Only supervisors write the ledgers of bots; the process that creates a bot inserts its ledger cursor.
ONLY_BOTS = """
REVOKE INSERT, UPDATE, DELETE ON bots_botledgertransaction, bots_botledgerentry, bots_holderposition FROM {role};
REVOKE UPDATE, DELETE ON bots_ledgercursor FROM {role};
"""
SECRETS = {
    WEB: """
GRANT INSERT, DELETE ON wallets_walletsecret TO {role};
GRANT SELECT (wallet_id, kid, suite, created_at) ON wallets_walletsecret TO {role};
""",
    EXECUTION: """
GRANT SELECT, INSERT, DELETE ON wallets_walletsecret TO {role};
GRANT UPDATE (sealed, kid) ON wallets_walletsecret TO {role};
""",
    BOTS: "",
}


def role_name(process: str) -> str:
    return f"cryptotrade_{process}"


class Command(BaseCommand):
    help = (
        "Create the database roles of the processes and grant their rights. "
        "DATABASE_PASSWORD_WEB, …_FEED, …_EXECUTION, …_BOTS (or …_FILE) set passwords."
    )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        for process in ROLES:
            role = sql.Identifier(role_name(process))
            self._run(CREATE, role=role, name=sql.Literal(role_name(process)))
            self._run(RESET, role=role)
            if process == FEED:
                self._feed(role)
            else:
                self._grant_app_tables(process, role)
            if password := env.secret(f"DATABASE_PASSWORD_{process.upper()}"):
                self._run("ALTER ROLE {role} PASSWORD {password}", role=role, password=sql.Literal(password))
        self.stdout.write(" ".join(role_name(process) for process in ROLES))

    def _feed(self, role: sql.Identifier) -> None:
        """Grant the tables of market data and of workers: the feed worker needs no data of users, orders or balances."""
        tables = [name for name in connection.introspection.table_names() if name.startswith(FEED_PREFIXES)]
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        self._run("GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {role}", role=role, names=names)
        # A stopping worker clears its id from the rows of all leased models, also of those it never leases.
        for model in LeasedModel.__subclasses__():
            table = sql.Identifier(model._meta.db_table)
            grant = "GRANT SELECT (owner_id), UPDATE (owner_id) ON {table} TO {role}"
            self._run(grant, role=role, table=table)

    def _grant_app_tables(self, process: str, role: sql.Identifier) -> None:
        """Grant all tables, then revoke the rights to write ledgers and to read sealed keys."""
        grants = io.StringIO()
        call_command("audit", "grants", role_name(process), stdout=grants)
        with connection.cursor() as cursor:
            cursor.execute(grants.getvalue())
        self._run(LEDGER_RULES + SECRETS[process] + ("" if process == BOTS else ONLY_BOTS), role=role)

    def _run(self, statements: str, **parts: sql.Composable) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statements).format(**parts).as_string(cursor.connection))
