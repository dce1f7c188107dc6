"""Parameters annotated plain `Any`: the few that stay, each with its reason."""

import ast

from tests.test_contracts import PRODUCT, ROOT

# file: function(parameter) → why no type can be written.
REMAINING = {
    "bots/domain/codec.py: decode(value)": "the JSON of a value of any class of the journal",
    "market/domain/topic_reader.py: update(body)": "its type depends on the class of the topic",
    "market/domain/topic_reader.py: replace(whole)": "its type depends on the class of the topic",
    "market/domain/typed_data.py: _encoded(value)": "untrusted; the conversion of each Solidity type checks it",
    "wallets/services/controls.py: trading_state_set(target)": "its type depends on `scope`",
}


def untyped_parameters(source: str):
    """function(parameter) of each parameter that is annotated plain `Any`; *args and **kwargs do not count."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                if isinstance(one.annotation, ast.Name) and one.annotation.id == "Any":
                    yield f"{node.name}({one.arg})"


def test_parameters_have_types():
    found = {
        f"{path.relative_to(ROOT)}: {parameter}"
        for path in PRODUCT
        for parameter in untyped_parameters(path.read_text(encoding="utf-8"))
    }
    assert found == REMAINING.keys()


def test_untyped_parameters_are_found():
    source = "def f(a: Any, /, b: int, *c: Any, d: Any = None, **e: Any): ...\nclass C:\n async def m(self, x: Any): ..."
    assert list(untyped_parameters(source)) == ["f(a)", "f(d)", "m(x)"]
