from django.contrib.auth.forms import AuthenticationForm


class SignInForm(AuthenticationForm):
    """E-mail address and password, refused in our words."""

    error_messages = {  # noqa: RUF012 - as Django declares it
        "invalid_login": "E-mail and password do not match.",
        "inactive": "This account is switched off.",
    }
