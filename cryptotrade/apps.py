from django.apps import AppConfig
from django.contrib.admin import apps


class CryptotradeConfig(AppConfig):
    name = "cryptotrade"
    default = True

    def ready(self) -> None:
        from cryptotrade import checks, openapi  # noqa: F401  importing registers them


class BackofficeConfig(apps.AdminConfig):
    default = False
    default_site = "cryptotrade.admin_site.CryptoTradeAdminSite"
