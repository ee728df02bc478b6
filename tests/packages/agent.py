"""An agent over the Python package: calls come as lines of JSON on standard input, results go out as lines of JSON."""

import base64
import dataclasses
import enum
import json
import sys
from typing import Any

import azall


def data(value: Any) -> Any:  # noqa: ANN401  (data of any kind)
    """A result as plain data, by the names of `--json`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name.rstrip("_"): data(getattr(value, field.name)) for field in fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [data(item) for item in value]
    return value


def call(mailbox: azall.Mailbox, name: str, args: dict[str, Any]) -> Any:  # noqa: ANN401  (data of any kind)
    """One call of the table."""
    if name == "address":
        return mailbox.address
    if "attachments" in args:
        args["attachments"] = {name: base64.b64decode(text) for name, text in args["attachments"].items()}
    if name in {"read", "reply"}:
        args["message"] = args.pop("id")
    target: Any = mailbox
    for part in name.split("."):
        target = getattr(target, part)
    return target(**args)


def main() -> None:
    """Answers until the input ends."""
    with azall.Mailbox.open(sys.argv[2], agent=sys.argv[1]) as mailbox:
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = {"gave": data(call(mailbox, request["call"], request["args"]))}
            except azall.Error as error:
                answer = {"failed": {"code": error.code, "message": str(error)}}
            print(json.dumps(answer), flush=True)


main()
