"""The reference's answers, through `azall.protocol`: every case of every file."""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime, timezone
from typing import Any

import pytest
from conftest import REPOSITORY

import azall
from azall import Verdict, protocol

Case = dict[str, Any]

READ = {
    "filter": ["cases"],
    "format": ["cases"],
    "index": ["cases"],
    "parse": ["cases"],
    "signing": ["cases"],
    "small": ["sanitize", "message_ids", "keys"],
    "trust": ["cases", "owner_messages"],
    "verify": ["cases"],
}


def folder() -> str:
    return os.environ.get("AZALL_VECTORS", str(REPOSITORY / "tests" / "vectors"))


def load(area: str) -> dict[str, Any]:
    with open(f"{folder()}/{area}.json", encoding="utf-8") as file:
        vectors: dict[str, Any] = json.load(file)
    return vectors


def cases(area: str, key: str = "cases") -> list[Case]:
    found: list[Case] = load(area)[key]
    assert found, f"no cases under {key!r}"
    return found


def test_no_file_and_no_list_is_left_out() -> None:
    found = {name.removesuffix(".json"): load(name.removesuffix(".json")) for name in os.listdir(folder())}
    lists = {area: [key for key in vectors if isinstance(vectors[key], list)] for area, vectors in found.items()}
    assert lists == READ


def test_filter() -> None:
    for case in cases("filter"):
        rules = {name: case["filter"][name] for name in ("mode", "blacklist", "whitelist")}
        assert protocol.accepts(case["sender"], **rules) is case["accept"], case


def test_format() -> None:
    for case in cases("format"):
        message = {
            "from": case["from_"],
            **{name: case[name] for name in ("to", "subject", "date", "message_id", "body")},
            "attachments": case["attachments"] or [],
        }
        headers = "".join(str(case[name]) for name in case if name not in ("body", "text"))
        if headers.isprintable() or headers.replace("\t", "").isprintable():
            assert protocol.format_message(message) == case["text"], case
        else:
            with pytest.raises(azall.MessageError):
                protocol.format_message(message)


def test_parse() -> None:
    for case in cases("parse"):
        parsed = protocol.parse(base64.b64decode(case["raw_b64"]))
        assert parsed.body == case["body"], case
        assert [name for name, _ in parsed.headers] == case["header_order"], case
        assert dict(parsed.headers) == case["headers"], case


def test_keys() -> None:
    for case in cases("small", "keys"):
        identity = protocol.Identity.from_seed(bytes.fromhex(case["private_key_hex"]))
        assert identity.public_key_b64 == case["public_key_b64"]
        assert identity.fingerprint == case["fingerprint"] == protocol.fingerprint(identity.public_key)
        assert protocol.Identity.from_file(json.dumps(case).encode()).public_key == identity.public_key


def test_message_ids() -> None:
    for case in cases("small", "message_ids"):
        names = ("from_", "to", "subject", "iso_now", "random_hex")
        assert protocol.new_message_id(*(case[name] for name in names)) == case["id"]


def test_sanitize() -> None:
    for case in cases("small", "sanitize"):
        assert protocol.sanitize(case["name"]) == case["out"]


WHITE = (
    "".join(map(chr, [*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]))
    + "\u2028\u2029\u202f\u205f\u3000"
)


def test_signing() -> None:
    for case in cases("signing"):
        proof = protocol.verify_text(case["signed_body"])
        assert (proof.envelope, proof.fingerprint, proof.verdict) == (
            "version-1",
            case["fingerprint"],
            Verdict.BODY_ONLY,
        )
        assert (proof.text, proof.before, proof.after) == (case["body"], "", "")
        identity = protocol.Identity.from_seed(bytes.fromhex(case["private_key_hex"]))
        sealed = protocol.sign_body(identity, case["body"])
        stripped = case["body"].rstrip(WHITE)
        if stripped == case["body"]:
            assert sealed == case["signed_body"], case
        else:
            assert sealed == protocol.sign_body(identity, stripped), case
        assert protocol.verify_text(sealed).verdict is Verdict.BODY_ONLY


def test_verify() -> None:
    wrong = 0
    for case in cases("verify"):
        proof = protocol.verify_text(case["body"], case["headers"])
        assert proof.text == case["reference_unwrapped"], case
        wrong += "must be rejected" in case["why"]
        if "must be rejected" in case["why"]:
            assert proof.verdict is Verdict.INVALID, case
        stated, key = proof.fingerprint, proof.public_key
        if stated is not None and key is not None and protocol.fingerprint(key) != stated:
            assert proof.verdict is Verdict.INVALID, case
            continue
        expected = {True: Verdict.BODY_ONLY, False: Verdict.INVALID, None: Verdict.UNSIGNED}
        assert proof.verdict is expected[case["reference_verdict"]], case
    assert wrong


def setting(case: Case, check: Case | None = None) -> dict[str, Any]:
    def pick(own: str, in_check: str) -> Any:  # noqa: ANN401  (of a vector)
        return (check or {}).get(in_check) or case[own]

    return {
        "agent": pick("agent", "expected_agent"),
        "agent_key": pick("agent_key", "agent_key"),
        "machine": pick("machine_fp", "machine_fp"),
        "now_ms": (case["now"] if check is None else check["at"]) * 1000,
    }


def test_tokens_are_made() -> None:
    for case in cases("trust"):
        nonce = bytes.fromhex(case["nonce_hex"])
        token = protocol.make_token(**setting(case), nonce=nonce, machine_name=case["machine_name"])
        assert (token.token, token.armor) == (case["token_b64"], case["armor"])
        assert token.owner_secret == case["owner_auth_secret"]
        assert case["owner_auth_secret"] not in repr(token)


def test_tokens_are_checked() -> None:
    for case in cases("trust"):
        for check in case["checks"]:
            given = {"armor": case["armor"], "base64": case["token_b64"]}.get(
                check.get("input"), check.get("token_b64")
            )
            if check["expect"]["valid"]:
                assert protocol.check_token(given, **setting(case, check)).nonce == case["nonce_hex"], check["what"]
                continue
            with pytest.raises(azall.TrustError) as refused:
                protocol.check_token(given, **setting(case, check))
            assert (str(refused.value), refused.value.exit_code) == (check["expect"]["reason"], 3), check["what"]


def test_owners() -> None:
    for case in cases("trust", "owner_messages"):
        secret, message, signature = case["owner_auth_key"], case["message"], case["signature"]
        assert protocol.owner_sign(secret, message) == signature
        assert protocol.owner_verify(secret, message, signature)
        assert not protocol.owner_verify(secret, message + " ", signature)


def below(files: dict[str, str], start: str) -> dict[str, str]:
    return {
        path.removeprefix(start + "/"): text for path, text in sorted(files.items()) if path.startswith(start + "/")
    }


def messages(day: dict[str, str], name: str) -> list[dict[str, Any]]:
    found = []
    for file, content in below(day, name).items():
        head: list[list[str]] = []
        for line in content.split("\n"):
            if line.strip(WHITE) == "---":
                break
            if ":" in line:
                head.append([part.strip(WHITE) for part in line.split(":", 1)])
        found.append({"file": file, "headers": head})
    return found


def scripts(agent: dict[str, str], kind: str) -> list[dict[str, str]]:
    files = below(agent, kind)
    names = [name for name in files if name.endswith(".py")]
    meta = {name: files.get(name.replace(".py", ".meta.json"), "").encode() for name in names}
    return [{"file": name, "description": protocol.script_description(meta[name])} for name in names]


def memories(day: dict[str, str]) -> list[dict[str, str]]:
    return [{"file": file, "text": text} for file, text in below(day, "remember").items()]


def test_indexes() -> None:
    for case in cases("index"):
        moment = datetime.fromisoformat(case["now"]).replace(tzinfo=timezone.utc)
        now = protocol.now(moment)
        own = below(case["files"], case["agent"])
        every: list[dict[str, str]] = []
        for day, expected in case["daily_index"].items():
            files = below(own, day)
            index = {
                "agent": case["agent"],
                "day": day,
                "now": now,
                **{name: messages(files, name) for name in ("inbox", "sent", "outbox")},
                "notes": [{"file": f, "size": len(text.encode())} for f, text in below(files, "notes").items()],
                "memories": memories(files),
                "has_identity": "who_am_i/identity.txt" in files,
                "has_tasks": "what_am_i_doing/tasks.txt" in files,
                "skills": scripts(own, "skills"),
                "tools": scripts(own, "tools"),
            }
            assert protocol.day_index(index) == expected
            every += [{**memory, "day": day} for memory in memories(files)]
        whole = {"agent": case["agent"], "now": now, "memories": every}
        assert protocol.memory_index(whole) == case["remember_index"]
