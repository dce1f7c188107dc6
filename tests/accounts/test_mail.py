"""Mail: every template renders, user data cannot inject headers, production requires a transport."""

from pathlib import Path

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import User
from cryptotrade.mail import UNCONFIGURED, UnconfiguredBackend, backend, mail_check, smtp_server
from tests.accounts import browser_client

TEMPLATES = sorted((Path(__file__).resolve().parents[2] / "templates/mail").glob("*.txt"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_mail_has_a_subject_and_a_text(path):
    context = {"code": "123456", "email": "a&b@example.org", "timestamp": timezone.now(), "ip": "203.0.113.7"}
    context |= {"user_agent": "A <b>", "from_email": "a@x.example", "to_email": "b@x.example"}
    text = render_to_string(f"mail/{path.name}", context).strip()
    subject, _, body = text.partition("\n\n")
    assert subject
    assert len(body) > 60
    assert "\n" not in subject
    assert "&lt;" not in text
    assert "&amp;" not in text


def test_a_name_cannot_add_headers(client, db):
    browser_client.sign_up(client, email="carol@example.org\nBcc: mallory@example.org")
    assert mail.outbox == []


def test_owner_is_mailed_what_changed_and_from_where(client, db):
    browser_client.confirm(User.objects.create_user("carol@example.org", browser_client.PASSWORD))
    browser_client.sign_in(client, email="carol@example.org")
    client.post(
        "/account/password/",
        {"oldpassword": browser_client.PASSWORD, "password1": browser_client.NEW_PASSWORD},
        headers={"user-agent": "Firefox\nBcc: x"},
        REMOTE_ADDR="203.0.113.7",
    )
    (letter,) = mail.outbox
    assert letter.subject == "Your CryptoTrade password was changed"
    assert "From: 203.0.113.7" in letter.body
    assert browser_client.NEW_PASSWORD not in letter.body


@pytest.mark.parametrize(
    ("key", "url", "production", "name"),
    [
        ("SG.x", None, True, "anymail.backends.sendgrid.EmailBackend"),
        ("SG.x", "smtp://h", True, "anymail.backends.sendgrid.EmailBackend"),
        (None, "smtp://h", True, "django.core.mail.backends.smtp.EmailBackend"),
        (None, None, False, "django.core.mail.backends.filebased.EmailBackend"),
        (None, None, True, UNCONFIGURED),
    ],
)
def test_first_transport_that_is_configured_is_used(key, url, production, name):
    assert backend(key, url, production=production) == name


def test_production_without_a_transport_is_an_error(settings):
    settings.EMAIL_BACKEND = UNCONFIGURED
    (fault,) = mail_check(None)
    assert fault.id == "cryptotrade.E010"
    with pytest.raises(ImproperlyConfigured):
        UnconfiguredBackend().send_messages([])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://u%40x:p%2Fw@mail.example:2525", ("mail.example", 2525, "u@x", "p/w", True, False)),
        ("smtps://u:p@mail.example", ("mail.example", 465, "u", "p", False, True)),
        ("smtp://localhost", ("localhost", 587, "", "", False, False)),
    ],
)
def test_smtp_url_is_read(url, expected):
    server = smtp_server(url)
    assert (server.host, server.port, server.user, server.password, server.starttls, server.tls) == expected


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example:25"])
def test_other_urls_are_refused(url):
    with pytest.raises(ImproperlyConfigured):
        smtp_server(url)
