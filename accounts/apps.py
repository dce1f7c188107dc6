from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import totp_secrets

        totp_secrets.install_single_use_totp()
        # Django's signals: every way to sign in or out sends them, the admin's included.
        from accounts.services import recovery_codes, sessions

        recovery_codes.install_recovery_code_audit()
        user_logged_in.connect(sessions.signed_in, dispatch_uid="accounts.signed_in")
        user_logged_out.connect(sessions.signed_out, dispatch_uid="accounts.signed_out")
