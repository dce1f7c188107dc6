"""Browser flows for tests of the account pages: sign-up, login, mailed codes, TOTP."""

import re
import time

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp

from accounts import totp_secrets

PASSWORD = "correct horse battery"
NEW_PASSWORD = "plum granite lantern"
PERIOD = 30


def confirm(user):
    """Mark the user's e-mail address as confirmed, as after a sign-up."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    return user


def sign_in(client, email="alice@example.org", password=PASSWORD, **extra):
    return client.post("/accounts/login/", {"login": email, "password": password}, **extra)


def sign_up(client, email="carol@example.org", password=PASSWORD):
    return client.post("/accounts/signup/", {"email": email, "password1": password})


def code_in(mail):
    """The six-digit code in a mail."""
    return re.search(r"^Your code: (\d{6})$", mail.body, re.MULTILINE)[1]


def totp_code(secret, *, ahead=0):
    """The TOTP code `ahead` periods of 30 s from now."""
    counter = int(time.time()) // PERIOD + ahead
    return totp.format_hotp_value(totp.hotp_value(secret, counter))


def totp_enable(user):
    """Enable TOTP for the user. Returns the secret."""
    secret = totp.generate_totp_secret()
    Authenticator.objects.create(
        user=user, type=Authenticator.Type.TOTP, data={"secret": totp_secrets.seal(secret, user=str(user.pk))}
    )
    return secret
