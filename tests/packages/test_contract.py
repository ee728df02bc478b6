"""One table of calls, `contract.json`, through the Python and the Node package: the same results, the same failures."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents import Agent, Failed, Node, Python, interpreters

CONTRACT = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))


def fits(expected: Any, got: Any) -> bool:  # noqa: ANN401  (data of any kind)
    """Whether a result holds at least what is expected; lists are whole."""
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(name in got and fits(value, got[name]) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(map(fits, expected, got))
    return bool(expected == got)


def filled(value: Any, kept: dict[str, str]) -> Any:  # noqa: ANN401  (data of any kind)
    """A value with what was kept in the place of its names."""
    if isinstance(value, dict):
        return {name: filled(item, kept) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, kept) for item in value]
    return kept.get(value[1:], value) if isinstance(value, str) and value.startswith("$") else value


def outcome(agent: Agent, call: str, args: dict[str, Any]) -> tuple[Any, str | None]:
    """What a call gave, or what it failed with and how."""
    try:
        return agent.call(call, args), None
    except Failed as failed:
        return str(failed), failed.code


@pytest.mark.parametrize("language", interpreters(), ids=str)
def test_the_contract_is_kept(language: Python | Node, tmp_path: Path) -> None:
    """Every call of the table gives what the table says."""
    kept: dict[str, str] = {}
    agents: dict[str, Agent] = {}
    try:
        for name in ("ada", "bob"):
            agents[name] = language.start(tmp_path, name)
        for number, step in enumerate(CONTRACT["steps"], 1):
            about = f"step {number} in {language}: {json.dumps(step, ensure_ascii=False)}"
            agent, args = agents[step["as"]], filled(step.get("args", {}), kept)
            got, failed = outcome(agent, step["call"], args)
            assert failed == step.get("fails"), f"{about}\ngave {got}"
            if failed:
                continue
            expected = filled(step["expect"], kept)
            assert fits(expected, got), f"{about}\ngave {json.dumps(got, ensure_ascii=False, indent=1)}"
            kept.update({name: got[field] for name, field in step.get("keep", {}).items()})
    finally:
        for agent in agents.values():
            agent.stop()


@pytest.mark.parametrize("language", interpreters(), ids=str)
@pytest.mark.parametrize(
    ("path", "there", "config"),
    [
        ("new", None, "new/config.json"),
        ("new.json", None, "new.json"),
        ("kept", "folder", "kept/config.json"),
        ("kept.json", "folder", "kept.json/config.json"),
        ("kept.json", "file", "kept.json"),
        ("settings", "file", "settings"),
    ],
)
def test_a_path_means_the_same_config(
    language: Python | Node, tmp_path: Path, path: str, there: str | None, config: str
) -> None:
    """A file is a config, a folder holds one, and what is not there is told by its name."""
    if there == "folder":
        (tmp_path / path).mkdir()
    elif there == "file":
        (tmp_path / path).write_text(json.dumps({"agent_name": "ada@localhost", "mailbox_dir": "mailboxes"}))
    agent = language.open(tmp_path, "ada@localhost", path)
    try:
        agent.call("remember", {"text": "here"})
    finally:
        agent.stop()
    assert (tmp_path / config).is_file()
