"""The database roles of the processes: each may do what it has to, and only `execution` reads sealed keys.

Run as the tables' owner, who has to be allowed to create roles, after every `migrate`. Idempotent.
"""

import io
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from psycopg import sql

from cryptotrade import env
from market.leases import LeasedModel

WEB, FEED, EXECUTION, BOTS = ROLES = ("web", "feed", "execution", "bots")
BOOKS = (
    "wallets_ledgertransfer", "wallets_ledgerentry", "wallets_fill", "bots_bottransfer", "bots_botentry",
)  # fmt: skip
FEEDS = "market_"

CREATE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN CREATE ROLE {role}; END IF;
END $$;
ALTER ROLE {role} LOGIN;
"""
# Everything anew, so that what an older version gave is taken back.
BEGINNING = """
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role};
GRANT USAGE ON SCHEMA public TO {role};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
"""
# What is added up or appended to is written by nobody twice, whatever the triggers say.
MONEY = f"""
REVOKE ALL ON wallets_walletsecret FROM {{role}};
REVOKE INSERT, UPDATE, DELETE ON wallets_sealingkey, wallets_balance, bots_botbalance FROM {{role}};
REVOKE UPDATE, DELETE ON {", ".join(BOOKS)} FROM {{role}};
"""
# Only supervisors keep the books of bots; a new bot's wallet gets its mark from whoever makes the bot.
ONLY_BOTS = """
REVOKE INSERT, UPDATE, DELETE ON bots_bottransfer, bots_botentry, bots_holderbook FROM {role};
REVOKE UPDATE, DELETE ON bots_booksmark FROM {role};
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
        "Make the roles that the processes connect as, and give each its rights. "
        "DATABASE_PASSWORD_WEB, …_FEED, …_EXECUTION, …_BOTS (or …_FILE) set passwords."
    )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        for process in ROLES:
            role = sql.Identifier(role_name(process))
            self._run(CREATE, role=role, name=sql.Literal(role_name(process)))
            self._run(BEGINNING, role=role)
            if process == FEED:
                self._feed(role)
            else:
                self._all_but_money(process, role)
            if password := env.secret(f"DATABASE_PASSWORD_{process.upper()}"):
                self._run("ALTER ROLE {role} PASSWORD {password}", role=role, password=sql.Literal(password))
        self.stdout.write(" ".join(role_name(process) for process in ROLES))

    def _feed(self, role: sql.Identifier) -> None:
        """It reads venues: nothing of people or money is its business."""
        tables = [name for name in connection.introspection.table_names() if name.startswith(FEEDS)]
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        self._run("GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {role}", role=role, names=names)
        # A worker that leaves takes its name off everything that anybody leases, also where it owns nothing.
        for model in LeasedModel.__subclasses__():
            table = sql.Identifier(model._meta.db_table)
            grant = "GRANT SELECT (owner_id), UPDATE (owner_id) ON {table} TO {role}"
            self._run(grant, role=role, table=table)

    def _all_but_money(self, process: str, role: sql.Identifier) -> None:
        granted = io.StringIO()
        call_command("audit", "grants", role_name(process), stdout=granted)
        with connection.cursor() as cursor:
            cursor.execute(granted.getvalue())
        self._run(MONEY + SECRETS[process] + ("" if process == BOTS else ONLY_BOTS), role=role)

    def _run(self, statements: str, **parts: sql.Composable) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statements).format(**parts).as_string(cursor.connection))
