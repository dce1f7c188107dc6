from django.apps import AppConfig


class CryptotradeConfig(AppConfig):
    name = "cryptotrade"

    def ready(self) -> None:
        from cryptotrade import checks  # noqa: F401  registers them
