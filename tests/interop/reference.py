"""The reference client, from the environment that these tests run in."""

import sys
from collections.abc import Sequence
from pathlib import Path

from agents import Agent

PROGRAM = Path(sys.executable).parent / "agentazall"


class Reference(Agent):
    """An agent who uses the reference client."""

    @property
    def program(self) -> Sequence[str]:
        return [str(PROGRAM)]

    def register(self, name: str, port: int) -> None:
        super().register(name, port)
        # The small server does not tell its own address, and the reference then stores an empty one.
        agenttalk = self.config["agenttalk"] | {"server": f"http://127.0.0.1:{port}"}
        self.configure(agenttalk=agenttalk)
