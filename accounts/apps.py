from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import vault

        vault.one_use_install()
        # Django's own hooks: every way to sign in or out runs through them, the admin's included.
        from accounts.services import signing

        user_logged_in.connect(signing.signed_in, dispatch_uid="accounts.signed_in")
        user_logged_out.connect(signing.signed_out, dispatch_uid="accounts.signed_out")
