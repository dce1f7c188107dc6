import pytest
from django.core.exceptions import ImproperlyConfigured

from core import env


@pytest.fixture
def variable(monkeypatch):
    def _set(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return _set


def test_a_missing_text_without_default_is_refused(monkeypatch):
    monkeypatch.delenv("CT_TEST", raising=False)
    with pytest.raises(ImproperlyConfigured, match="CT_TEST"):
        env.text("CT_TEST")
    assert env.text("CT_TEST", "a default") == "a default"


def test_a_secret_comes_from_the_environment_a_named_file_or_the_folder_in_that_order(variable, tmp_path):
    (tmp_path / "ct_test").write_text("from the folder\n")
    assert env.secret("CT_TEST", folder=tmp_path) == "from the folder"
    (tmp_path / "named").write_text("from the file\n")
    variable(CT_TEST_FILE=str(tmp_path / "named"))
    assert env.secret("CT_TEST", folder=tmp_path) == "from the file"
    variable(CT_TEST="from the environment")
    assert env.secret("CT_TEST", folder=tmp_path) == "from the environment"


def test_a_secret_that_is_nowhere_is_none(tmp_path):
    assert env.secret("CT_NOWHERE", folder=tmp_path) is None


@pytest.mark.parametrize(
    ("written", "meant"), [("1", True), ("Yes", True), (" on ", True), ("0", False), ("false", False)]
)
def test_flags_are_read_as_people_write_them(variable, written, meant):
    variable(CT_TEST=written)
    assert env.flag("CT_TEST", default=not meant) is meant


def test_an_unset_flag_has_its_default(variable):
    variable(CT_TEST="")
    assert env.flag("CT_TEST", default=True) is True


@pytest.mark.parametrize(
    "read", [lambda: env.flag("CT_TEST", default=False), lambda: env.number("CT_TEST", 1)]
)
def test_nonsense_is_refused_and_named(variable, read):
    variable(CT_TEST="perhaps")
    with pytest.raises(ImproperlyConfigured, match="perhaps"):
        read()


def test_numbers_and_words(variable):
    variable(CT_TEST="12", CT_WORDS=" a, b ,,c ")
    assert env.number("CT_TEST", 1) == 12
    assert env.csv_list("CT_WORDS") == ["a", "b", "c"]
