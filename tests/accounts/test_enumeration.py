"""User enumeration: responses and work are the same whether or not an address has an account."""

import re
from typing import ClassVar

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.audit import AuditAction, record
from accounts.models import AuditEntry
from tests.accounts import browser_client
from tests.accounts.browser_client import PASSWORD, sign_in, sign_up

KNOWN, UNKNOWN = "alice@example.org", "nopey@example.org"  # of one length
OF_THE_MOMENT = ("X-Request-ID", "Expires", "X-RateLimit-Remaining", "X-RateLimit-Reset")


class Counting(MD5PasswordHasher):
    count: ClassVar[list[int]] = []

    def encode(self, password, salt):
        self.count.append(1)
        return super().encode(password, salt)


@pytest.fixture(autouse=True)
def _alice(alice):
    browser_client.confirm(alice)


@pytest.fixture
def hashed(monkeypatch, settings):
    """Count of password hashes: the cost of a login, measured without a clock."""
    count = []

    settings.PASSWORD_HASHERS = [f"{__name__}.Counting"]
    monkeypatch.setattr(Counting, "count", count)
    return count


def comparable(answer, email):
    """The response without the parts that differ between any two requests."""
    body = re.sub(
        r'name="csrfmiddlewaretoken" value="\w+"|request ID <code>\w+</code>', "", answer.content.decode()
    )
    headers = {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}
    return answer.status_code, headers, sorted(answer.cookies), body.replace(email, "<address>")


def both(act):
    """Responses for a known and for an unknown address, each in a new browser."""
    return [comparable(act(Client(), email), email) for email in (KNOWN, UNKNOWN)]


def test_sign_in_reveals_nothing():
    known, unknown = both(lambda client, email: sign_in(client, email=email, password="wrong wrong"))
    assert known == unknown
    assert known[0] == 422


def test_sign_in_costs_the_same(hashed):
    costs = []
    for email in (KNOWN, UNKNOWN):
        hashed.clear()
        sign_in(Client(), email=email, password="wrong wrong")
        costs.append(len(hashed))
    assert costs == [1, 1]


def test_lockout_reveals_nothing():
    def guess(client, email):
        for _ in range(4):
            sign_in(client, email=email, password="wrong wrong")
        return sign_in(client, email=email, password="wrong wrong")

    known, unknown = both(guess)
    assert known == unknown
    assert known[0] == 429


def test_sign_up_tells_nothing():
    known, unknown = both(lambda client, email: sign_up(client, email=email))
    assert known == unknown
    assert known[1]["Location"] == "/accounts/verify/"


def test_page_after_sign_up_reveals_nothing():
    def next_page(client, email):
        sign_up(client, email=email)
        return client.get("/accounts/verify/")

    known, unknown = both(next_page)
    assert known == unknown
    assert known[0] == 200


@pytest.mark.parametrize("path", ["/accounts/verify/", "/accounts/recover/code/"])
def test_wrong_codes_reveal_nothing(path):
    def try_codes(client, email):
        if "verify" in path:
            sign_up(client, email=email)
        else:
            client.post("/accounts/recover/", {"email": email})
        for _ in range(2):
            client.post(path, {"code": "not it", "action": "verify"})
        answer = client.post(path, {"code": "not it", "action": "verify"})
        assert answer.status_code == 302
        return client.get(answer.headers["Location"])

    known, unknown = both(try_codes)
    assert known == unknown


def test_sign_up_costs_the_same_work_and_one_mail(hashed):
    costs = []
    for email in (KNOWN, UNKNOWN):
        hashed.clear()
        mail.outbox.clear()
        sign_up(Client(), email=email)
        costs.append((len(hashed), len(mail.outbox)))
    assert costs == [(1, 1), (1, 1)]


def test_recovery_reveals_nothing():
    known, unknown = both(lambda client, email: client.post("/accounts/recover/", {"email": email}))
    assert known == unknown
    assert [letter.to for letter in mail.outbox] == [[KNOWN], [UNKNOWN]]


def test_recovery_costs_the_same(hashed):
    for email in (KNOWN, UNKNOWN):
        Client().post("/accounts/recover/", {"email": email})
    assert hashed == []


def test_recovery_writes_the_same_statements(transactional_db):
    """For an unknown address too, the writer of the audit log is locked, written to, and committed to disk."""
    record(action=AuditAction.USER_CHANGED, actor=None, subject="user:1")  # the log has a head
    runs = []
    for email in (KNOWN, UNKNOWN):
        with CaptureQueriesContext(connection) as queries:
            Client().post("/accounts/recover/", {"email": email})
        words = [" ".join(query["sql"].split()[:3]) for query in queries]
        # Before the first transaction only the library looks the address up.
        runs.append([sql for sql in words[words.index("BEGIN") :] if "SAVEPOINT" not in sql])
    assert AuditEntry.objects.filter(action="password.reset_requested").count() == 1
    assert runs[0] == runs[1]
    assert [sql.split()[0] for sql in runs[1]][:6] == [
        "BEGIN",
        "SELECT",
        "SELECT",
        "INSERT",
        "UPDATE",
        "COMMIT",
    ]


def test_mail_to_an_unknown_address_holds_no_code(client):
    client.post("/accounts/recover/", {"email": UNKNOWN})
    sign_up(client, email=KNOWN)
    assert not any(re.search(r"\b\d{6}\b", letter.body) for letter in mail.outbox)


def test_password_is_validated_before_the_address():
    known, unknown = both(lambda client, email: sign_up(client, email=email, password="short"))
    assert known == unknown
    assert known[0] == 422


def test_new_address_of_another_user_is_not_revealed(client, bob):
    browser_client.confirm(bob)
    sign_in(client, password=PASSWORD)
    answers = []
    for email in ("bob@example.org", UNKNOWN):
        answer = client.post("/account/email/", {"email": email, "action_add": ""})
        answers.append((answer.status_code, answer.headers.get("Location")))
    assert answers[0] == answers[1] == (302, "/accounts/verify/")
