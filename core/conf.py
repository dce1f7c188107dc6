"""Settings of this app, with their defaults; `cryptotrade.settings` includes them. Environment: `.env.example`."""

from core import env

# Rate limits as n/seconds (docs/security.md names the key by which each is counted).
RATE_LIMITS = {
    name: env.text(f"RATE_LIMIT_{name.upper()}", rule)
    for name, rule in {
        "auth": "10/60",
        "auth_account": "5/300",
        "mail_code": "3/600",
        "mail_code_address": "10/600",
        "step_up": "10/60",
        "read": "300/60",
        "fragment": "1200/60",
        "write": "60/60",
        "order": "120/60",
        "export": "5/3600",
        "stream_connect": "600/60",
        "stream_command": "20/1",
    }.items()
}
