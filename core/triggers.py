"""Database triggers of models, declared as `triggers` of their Meta and installed by migrations (django-pgtrigger).

Migrations render the SQL by the two templates below: a change of a template changes installed triggers only
through a new migration, which `makemigrations` writes.
"""

import pgtrigger
from django.db import models
from pgtrigger import compiler

_TEMPLATE = """
CREATE OR REPLACE FUNCTION {{pgid}}() RETURNS trigger LANGUAGE plpgsql {attributes} AS $$
{{declare}}
BEGIN
  {{func}}
END $$;
DROP TRIGGER IF EXISTS {{pgid}} ON {{table}};
CREATE {{constraint}} TRIGGER {{pgid}} {{when}} {{operation}} ON {{table}} {{timing}} {{referencing}}
  FOR EACH {{level}} {{condition}} EXECUTE FUNCTION {{execute}};
COMMENT ON TRIGGER {{pgid}} ON {{table}} IS '{{hash}}';
"""


class GuardSql(compiler.UpsertTriggerSql):
    """SQL of a trigger that cannot be skipped.

    The template of pgtrigger lets every database role skip a trigger: SET pgtrigger.ignore = '{name}'.
    """

    def get_template(self) -> str:
        return _TEMPLATE.format(attributes="")


class DefinerGuardSql(GuardSql):
    """SQL of a trigger that acts with the rights of its owner, so that a role needs no rights on other tables."""

    def get_template(self) -> str:
        return _TEMPLATE.format(attributes="SECURITY DEFINER SET search_path = public, pg_temp")


class Guard(pgtrigger.Trigger):
    """A trigger that cannot be skipped."""

    sql_class = GuardSql

    def render_func(self, model: models.Model) -> str:
        return self.format_sql(super().render_func(model))

    def compile(self, model: models.Model) -> compiler.Trigger:
        compiled = super().compile(model)
        return compiler.Trigger(name=compiled.name, sql=self.sql_class(**compiled.sql.kwargs))


class DefinerGuard(Guard):
    """A trigger that acts with the rights of its owner."""

    sql_class = DefinerGuardSql


def append_only(
    subject: str, refused: pgtrigger.Operation = pgtrigger.Update | pgtrigger.Delete
) -> tuple[Guard, Guard]:
    """Refuse the operations on a row, by default every change, and TRUNCATE."""
    func = f"""
        RAISE EXCEPTION 'the {subject} is append-only: % of % refused', TG_OP, TG_TABLE_NAME
          USING ERRCODE = 'insufficient_privilege';
    """
    return (
        Guard(name="append_only", when=pgtrigger.Before, operation=refused, func=func),
        Guard(
            name="no_truncate",
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            func=func,
        ),
    )


def zero_sum(constraint: str) -> Guard:
    """Refuse, at commit, entries that do not sum to zero per transaction and asset."""
    return Guard(
        name="zero_sum",
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        timing=pgtrigger.Deferred,
        declare=[("off", "record")],
        func=pgtrigger.Func(f"""
            SELECT asset, sum(amount) AS amount INTO off FROM {{meta.db_table}}
              WHERE transaction_id = NEW.transaction_id GROUP BY asset HAVING sum(amount) <> 0 LIMIT 1;
            IF FOUND THEN
              RAISE EXCEPTION 'transaction % is off by % %', NEW.transaction_id, off.amount, off.asset
                USING ERRCODE = 'check_violation', CONSTRAINT = '{constraint}';
            END IF;
            RETURN NULL;
        """),  # noqa: S608 - no part of it is input
    )


def balance_sum(balances: str, *keys: str) -> Guard:
    """Add inserted entries to the table of balances, which has one row per value of `keys`.

    With the rights of the owner: no role may write balances itself.
    """
    columns = ", ".join(keys)
    return DefinerGuard(
        name="balance_sum",
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        referencing=pgtrigger.Referencing(new="added"),
        func=f"""
            INSERT INTO {balances} AS balance ({columns}, amount)
              SELECT {columns}, sum(amount) FROM added GROUP BY {columns} ORDER BY {columns}
              ON CONFLICT ({columns}) DO UPDATE SET amount = balance.amount + EXCLUDED.amount;
            RETURN NULL;
        """,  # noqa: S608 - no part of it is input
    )


def balances_derived() -> Guard:
    """Refuse every write of balances that is not made by a trigger."""
    return Guard(
        name="derived_only",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        func="""
            IF pg_trigger_depth() < 2 THEN
              RAISE EXCEPTION 'balances are sums of entries: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
            END IF;
            RETURN NEW;
        """,
    )
