"""Settings of the administration: titles and navigation of django-unfold."""

from typing import Any

from django.templatetags.static import static

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "CryptoTrade",
    "SITE_HEADER": "CryptoTrade",
    "SITE_SUBHEADER": "Administration",
    "SITE_URL": "/market/",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("icons/mark.svg")},
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Accounts",
                "items": [
                    {"title": "Users", "icon": "group", "link": "/admin/accounts/user/"},
                    {"title": "Sessions", "icon": "devices", "link": "/admin/accounts/authsession/"},
                    {"title": "API keys", "icon": "key", "link": "/admin/accounts/apikey/"},
                    {"title": "Audit log", "icon": "history", "link": "/admin/accounts/auditentry/"},
                ],
            },
            {
                "title": "Trading",
                "items": [
                    {"title": "Wallets", "icon": "wallet", "link": "/admin/wallets/wallet/"},
                    {"title": "Orders", "icon": "receipt_long", "link": "/admin/wallets/order/"},
                    {"title": "Bots", "icon": "smart_toy", "link": "/admin/bots/bot/"},
                    {"title": "Submissions", "icon": "send", "link": "/admin/wallets/submission/"},
                    {"title": "Fills", "icon": "swap_horiz", "link": "/admin/wallets/fill/"},
                    {"title": "Positions", "icon": "trending_up", "link": "/admin/wallets/position/"},
                    {"title": "Balances", "icon": "account_balance", "link": "/admin/wallets/balance/"},
                    {
                        "title": "Ledger transactions",
                        "icon": "menu_book",
                        "link": "/admin/wallets/ledgertransaction/",
                    },
                    {"title": "Ledger entries", "icon": "list_alt", "link": "/admin/wallets/ledgerentry/"},
                    {
                        "title": "Trading halt (all users)",
                        "icon": "front_hand",
                        "link": "/admin/wallets/globaltradingcontrol/",
                    },
                    {
                        "title": "Trading halts (users)",
                        "icon": "block",
                        "link": "/admin/wallets/usertradingcontrol/",
                    },
                    {"title": "Sealing keys", "icon": "lock", "link": "/admin/wallets/sealingkey/"},
                ],
            },
            {
                "title": "System",
                "items": [
                    {"title": "Venues", "icon": "hub", "link": "/admin/market/venue/"},
                    {"title": "Instruments", "icon": "list", "link": "/admin/market/instrument/"},
                    {"title": "Workers and leases", "icon": "memory", "link": "/admin/core/worker/"},
                    {"title": "Health", "icon": "monitor_heart", "link": "/status/"},
                ],
            },
        ],
    },
}
