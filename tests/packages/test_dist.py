"""What `cargo xtask dist` made: each is installed into an empty place and used as a newcomer would."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

DIST = Path(os.environ.get("AZALL_DIST", ""))

pytestmark = pytest.mark.skipif(
    not os.environ.get("AZALL_DIST"), reason="needs AZALL_DIST, the folder that `cargo xtask dist` fills"
)


def made(pattern: str) -> Path:
    """The one file of this form."""
    found = list(DIST.glob(pattern))
    assert len(found) == 1, (pattern, sorted(path.name for path in DIST.iterdir()))
    return found[0]


def run(*command: str | Path, folder: Path) -> str:
    """Runs a command without azall's variables and gives its output."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("AZALL_", "AGENTAZALL_", "PYTHON"))
    }
    ran = subprocess.run(
        list(command), cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran
    return ran.stdout


def tour(azall: list[str | Path], folder: Path) -> None:
    """A minute of a newcomer, with whichever `azall`."""
    folder.mkdir(exist_ok=True)
    run(*azall, "quickstart", "--agent", "ada", folder=folder)
    run(*azall, "remember", "--text", "The API uses OAuth2", "--title", "api", folder=folder)
    assert "OAuth2" in run(*azall, "recall", "api", folder=folder)
    run(*azall, "send", "--to", "ada@localhost", "--subject", "hello", "--body", "me", folder=folder)
    assert "hello" in run(*azall, "inbox", folder=folder)


def test_checksums_are_right() -> None:
    """Every file is in the list, with its own sum."""
    lines = (DIST / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(sums) == {path.name for path in DIST.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((DIST / name).read_bytes()).hexdigest() == digest, name


def test_the_bill_of_materials_names_what_is_inside() -> None:
    """It is CycloneDX, and knows the crates that matter."""
    bill = json.loads(made("*.cdx.json").read_text())
    names = {component["name"] for component in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert {"ed25519-dalek", "rustls", "serde", "pyo3", "napi", "wasm-bindgen"} <= names


def test_the_native_archive(tmp_path: Path) -> None:
    """It holds the programs and the licences, and they work where they are unpacked."""
    with tarfile.open(made("azall-*-*-*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    assert {"azall", "azall-sandbox", "azall.wasm", "LICENSE-MIT", "LICENSE-APACHE"} <= {
        path.name for path in folder.iterdir()
    }
    tour([folder / "azall"], tmp_path / "native")
    (tmp_path / "confined").mkdir()
    run(folder / "azall", "sandbox", "--", "remember", "--text", "inside", folder=tmp_path / "confined")


def test_the_wheel(tmp_path: Path) -> None:
    """It is small, and installs into an empty environment."""
    wheel = made("azall-*.whl")
    assert wheel.stat().st_size < 6_000_000
    run(sys.executable, "-m", "venv", "env", folder=tmp_path)
    run(tmp_path / "env/bin/python", "-m", "pip", "install", "--quiet", wheel, folder=tmp_path)
    tour([tmp_path / "env/bin/azall"], tmp_path / "command")
    program = (
        "import azall; m = azall.Mailbox.open('m', agent='ada@localhost'); m.remember('x', 'y');"
        "print(m.recall('x').memories[0].title)"
    )
    (tmp_path / "m").mkdir()
    assert run(tmp_path / "env/bin/python", "-c", program, folder=tmp_path) == "y\n"


def test_the_source_of_the_wheel_is_whole() -> None:
    """It holds every crate that the wheel is built of, and the licences."""
    with tarfile.open(sdist()) as archive:
        names = archive.getnames()
    for part in ("pyproject.toml", "core/src/lib.rs", "bindings/python/src/lib.rs", "bindings/shared/src/lib.rs"):
        assert any(name.endswith(part) for name in names), part


def sdist() -> Path:
    """The source archive: the one whose name ends with the version."""
    found = [path for path in DIST.glob("azall-*.tar.gz") if path.name.count("-") == 1]
    assert len(found) == 1, found
    return found[0]


def test_the_npm_package(tmp_path: Path) -> None:
    """It is small, and installs into an empty folder, over either core."""
    package = made("azall-[0-9]*.tgz")
    assert package.stat().st_size < 6_000_000
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    run("npm", "install", "--no-audit", "--no-fund", "--offline", package, folder=tmp_path)
    tour([tmp_path / "node_modules/.bin/azall"], tmp_path / "command")
    program = (
        "import { Mailbox } from 'azall';"
        "const m = await Mailbox.open('m', { create: { agent: 'ada' } });"
        "await m.remember('x', { title: 'y' }); console.log((await m.recall('x')).memories[0].title)"
    )
    (tmp_path / "m").mkdir()
    assert run("node", "--input-type=module", "-e", program, folder=tmp_path) == "y\n"
    wasm = run("env", "AZALL_CORE=wasm", "node", "--input-type=module", "-e", program, folder=tmp_path)
    assert wasm == "y\n"


def test_the_module_for_wasi(tmp_path: Path) -> None:
    """`azall.wasm` runs under Node."""
    program = (
        "import { WASI } from 'node:wasi'; import { readFile } from 'node:fs/promises';"
        "const wasi = new WASI({ version: 'preview1', args: ['azall', '--version'], preopens: { '/': '.' } });"
        f"const module = await WebAssembly.compile(await readFile({json.dumps(str(DIST / 'azall.wasm'))}));"
        "process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));"
    )
    assert run("node", "--no-warnings", "--input-type=module", "-e", program, folder=tmp_path).startswith("azall ")
