"""Names that two places share as strings: a rename of one of them turns a test red."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from market.domain.conflate import TICK_KEYS

ROOT = Path(__file__).parent.parent
APPS = ("accounts", "bots", "core", "cryptotrade", "market", "wallets")
PRODUCT = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
MESSAGE_TYPE = re.compile(r"(user|venue|interest|wake)(\.[a-z]+)?")
SCRIPTS = "".join(path.read_text() for path in (ROOT / "static/js").glob("*.js"))
TEMPLATES = {path: path.read_text() for path in (ROOT / "templates").rglob("*.html")}
COMPOSE_ONLY = {"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD_FILE"}  # of the image of PostgreSQL
FILES_OF_SECRETS = re.compile(r"_FILE$")


def strings(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_every_message_type_of_the_channel_layer_has_a_handler():
    sent = {
        value.value
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "type" and isinstance(value, ast.Constant)
        and isinstance(value.value, str) and MESSAGE_TYPE.fullmatch(value.value)
    }  # fmt: skip
    assert {"user.event", "venue.flush", "interest.changed", "wake"} <= sent
    source = "".join(path.read_text() for path in PRODUCT)
    for name in sent:
        handler, compared = f"def {name.replace('.', '_')}(", source.count(f'"{name}"')
        assert handler in source or compared > 1, f"no consumer handles {name}"


@pytest.mark.parametrize(
    "path", [path for path in PRODUCT if "redis.call(" in path.read_text()], ids=lambda path: path.name
)
def test_every_lua_script_gets_the_keys_and_arguments_that_it_reads(path):
    """A call that lists its keys and arguments lists as many as the script reads by number."""
    (script,) = [text for text in strings(path) if "redis.call(" in text]
    needed = {
        name: max((int(n) for n in re.findall(rf"{name}\[(\d+)\]", script)), default=0)
        for name in ("KEYS", "ARGV")
    }
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    found = [counts for call in calls if (counts := listed_arguments(call)) is not None]
    assert found, f"{path.name} never calls its script"
    for keys, arguments in found:
        assert keys is None or keys >= needed["KEYS"]
        assert arguments is None or arguments >= needed["ARGV"]


def listed_arguments(call):
    """How many keys and arguments a call of a script lists: None for what is a variable, or for other calls."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "eval":
        count = call.args[1].value
        return count, len(call.args) - 2 - count
    named = {word.arg: word.value for word in call.keywords}
    if not {"keys", "args"} <= named.keys():
        return None
    return tuple(
        len(named[name].elts) if isinstance(named[name], ast.List) else None for name in ("keys", "args")
    )


def test_redis_keys_are_made_in_one_place_each():
    """A prefix of a Redis key is written in one module only: writers and readers share its function."""
    prefixes: dict[str, set[str]] = {}
    for path in PRODUCT:
        for text in strings(path):
            if found := re.match(r"ct:[a-z]+:", text):
                prefixes.setdefault(found[0], set()).add(str(path.relative_to(ROOT)))
    assert {"ct:snap:", "ct:log:", "ct:interest:", "ct:nudge:"} <= prefixes.keys()
    assert {prefix: paths for prefix, paths in prefixes.items() if len(paths) > 1} == {}


def test_every_variable_of_compose_is_a_documented_setting():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    used = {name for service in compose["services"].values() for name in service.get("environment") or {}}
    listed = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    unknown = {name for name in used - COMPOSE_ONLY if FILES_OF_SECRETS.sub("", name) not in listed}
    assert {name for name in unknown if not name.startswith("DATABASE_PASSWORD_")} == set()


def test_every_field_that_a_template_names_is_one_that_the_scripts_paint():
    named = {name for text in TEMPLATES.values() for name in re.findall(r'data-field="([a-z0-9_]+)"', text)}
    derived = set(re.findall(r"([a-z_]+): 1", re.search(r"field in (\{[^}]*\})", SCRIPTS)[1]))
    figures = set(re.findall(r"^  ([a-z]+): \{ term", SCRIPTS, re.MULTILINE))  # of positions.js
    assert named
    assert len(figures) == 5
    assert named <= {*TICK_KEYS, *derived, *figures, "age"}


def test_every_element_that_a_script_looks_up_by_id_exists_in_a_template():
    wanted = set(re.findall(r"getElementById\(\"([a-z0-9-]+)\"\)", SCRIPTS))
    written = {name for text in TEMPLATES.values() for name in re.findall(r'\bid="([a-z0-9-]+)"', text)}
    made = set(re.findall(r"\.id = \"([a-z0-9-]+)\"", SCRIPTS))
    assert wanted
    assert wanted - written - made == set()
