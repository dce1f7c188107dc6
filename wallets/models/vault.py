import pgtrigger
from django.db import models

from core.triggers import DefinerGuard


class SealingKey(models.Model):
    """The public half of a sealing key of the execution worker. The newest active one seals."""

    kid = models.SlugField(primary_key=True, max_length=40)
    public = models.BinaryField(help_text="X25519, 32 bytes")
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.kid


class WalletSecret(models.Model):
    """A sealed key. Only the database role of the execution worker may read `sealed` (docs/security.md)."""

    wallet = models.OneToOneField(
        "wallets.Wallet", primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    key = models.ForeignKey(SealingKey, on_delete=models.PROTECT, related_name="+", db_column="kid")
    suite = models.CharField(max_length=60)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        triggers = (
            # The lock makes `sealing_keys retire` wait for this transaction, or this transaction for it; then
            # what was committed first counts. With the rights of the owner: no role may lock sealing keys.
            DefinerGuard(
                name="sealing_key_active",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func="""
                    PERFORM 1 FROM wallets_sealingkey WHERE kid = NEW.kid AND retired_at IS NULL FOR SHARE;
                    IF NOT FOUND THEN
                      RAISE EXCEPTION 'sealing key % is retired', NEW.kid USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        )

    def __str__(self) -> str:
        return "sealed"
