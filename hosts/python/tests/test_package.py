"""The package itself: its documentation runs, its types are sound, importing it is cheap, and what it is named in is there."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import azall

MODULES = [name for _, name, _ in pkgutil.iter_modules(azall.__path__, "azall.") if name != "azall.__main__"]


@pytest.mark.parametrize("name", ["azall", *MODULES])
def test_examples_run(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    with_examples = [
        name
        for name in ["azall", *MODULES]
        if any(test.examples for test in finder.find(importlib.import_module(name)))
    ]
    assert {
        "azall",
        "azall.aio",
        "azall.errors",
        "azall.mailbox",
        "azall.models",
        "azall.protocol",
        "azall.services",
    } <= set(with_examples)


def test_everything_that_is_named_is_there() -> None:
    for name in azall.__all__:
        assert getattr(azall, name) is not None
    assert set(azall.__all__) <= set(dir(azall))
    with pytest.raises(AttributeError):
        azall.nothing  # noqa: B018


def test_importing_loads_little() -> None:
    code = "import azall, sys; print([name for name in ('httpx', 'asyncio', 'dataclasses', 'typing') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_mailbox_without_a_relay_loads_no_network() -> None:
    code = (
        "import azall, sys, tempfile\n"
        "with tempfile.TemporaryDirectory() as folder, azall.Mailbox.open(folder) as mailbox: mailbox.remember('x')\n"
        "print([name for name in ('httpx', 'ssl', 'asyncio') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_the_stubs_are_the_modules() -> None:
    """Whatever the compiled module has, its stubs have, and the other way round."""
    import ast
    from pathlib import Path

    from azall import _core

    stubs = ast.parse(Path(azall.__file__).with_name("_core.pyi").read_text())
    named: dict[str, set[str]] = {}
    for node in stubs.body:
        if isinstance(node, (ast.FunctionDef, ast.AnnAssign, ast.ClassDef)):
            name = node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""
            body = node.body if isinstance(node, ast.ClassDef) else []
            members = {item.name for item in body if isinstance(item, ast.FunctionDef) and item.name[:2] != "__"}
            named[name or getattr(node, "name", "")] = members
    assert set(named) == {name for name in vars(_core) if name[:2] != "__"} | {"__version__"}
    for name, members in named.items():
        if isinstance(kind := getattr(_core, name), type):
            assert members == {member for member in vars(kind) if member[:2] != "__"}, name
