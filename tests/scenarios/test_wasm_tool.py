"""A WebAssembly program as a tool: `azall tool NAME --run` runs it in the sandbox, in this agent's folder alone."""

import os
import subprocess
from pathlib import Path

import pytest

MODULE = os.environ.get("AZALL_WASM", "")
SANDBOX = os.environ.get("AZALL_SANDBOX", "")

pytestmark = pytest.mark.skipif(not (MODULE and SANDBOX), reason="needs AZALL_WASM and AZALL_SANDBOX")


def azall(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the native azall in a folder, with the sandbox on its path."""
    path = f"{Path(SANDBOX).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "HOME": str(folder)}
    command = [os.environ["AZALL_BIN"], *words]
    return subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_a_program_runs_in_the_sandbox(tmp_path: Path) -> None:
    """It gets its arguments, its output and exit code come back, and what it writes lies in the agent's own folder."""
    (tmp_path / "secret.txt").write_text("secret")
    assert azall(tmp_path, "setup", "--agent", "ada").returncode == 0
    added = azall(tmp_path, "tool", "inner", "--add", MODULE)
    assert added.returncode == 0, added.stderr
    shown = azall(tmp_path, "tool", "inner", "--run", "--run-args", "--version")
    assert (shown.returncode, shown.stdout.startswith("azall ")) == (0, True), shown
    stored = azall(
        tmp_path, "tool", "inner", "--run", "--run-args", "remember", "--text", "from inside", "--title", "x"
    )
    assert stored.returncode == 0, stored
    kept = list(tmp_path.rglob("remember/x.txt"))
    own = tmp_path / "data" / "mailboxes" / "ada@localhost"
    assert len(kept) == 1
    assert kept[0].is_relative_to(own)
    outside = azall(tmp_path, "tool", "inner", "--run", "--run-args", "import", "/../../../secret.txt")
    assert outside.returncode == 1
    assert "cannot read" in outside.stdout + outside.stderr, outside
