//! `cargo xtask dist`: everything that people install, in `dist/`: a native archive, a wheel and its source, the npm packages,
//! `azall.wasm`, what all of it is made of (an SBOM), and checksums.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::node_package;
use crate::packages;
use crate::python::Environment;
use crate::python_package;
use crate::report;
use crate::tools;
use crate::wasm;
use crate::workspace::Workspace;

const MEND_CARGO: &str = "see the compiler's message above";
const MEND_TAR: &str = "install tar and coreutils";
const MEND_MATURIN: &str = "run `cargo xtask setup`, and see maturin's message above";

/// Files that go into the native archive beside the programs.
const PAPERS: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Builds everything and packs it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    wasm::run(workspace)?;
    node_package::ready(workspace)?;
    pack(workspace)
}

/// Packs everything. But for the wheel it is built already.
pub(crate) fn pack(workspace: &Workspace) -> Result<()> {
    let dist = folder(workspace);
    if dist.exists() {
        fs::remove_dir_all(&dist).map_err(Error::file("empty", &dist))?;
    }
    fs::create_dir_all(&dist).map_err(Error::file("make", &dist))?;
    native_archive(workspace, &dist)?;
    copy(&workspace.azall_wasm(), &dist.join("azall.wasm"))?;
    python_packages(workspace, &dist)?;
    node_package::pack(workspace, &dist)?;
    for name in ["pkg-web", "pkg-slim"] {
        node_package::pack_folder(&packages::folder(workspace, name), &dist)?;
    }
    bill_of_materials(workspace, &dist)?;
    checksums(&dist)?;
    report::heading("dist");
    for name in names(&dist)? {
        let size = fs::metadata(dist.join(&name)).map_err(Error::file("look at", dist.join(&name)))?.len();
        println!("    {:>8} KB  {name}", size / 1000);
    }
    Ok(())
}

/// Where everything goes.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("dist")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).map_err(Error::file("copy", from))
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(Error::file("list", folder))?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// The triple that the compiler builds for by itself.
fn host_triple() -> String {
    let asked = Command::new("rustc").arg("-vV").stderr(Stdio::null()).output();
    let text = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("native").to_owned()
}

/// The programs and their papers, packed so that the same files give the same archive.
fn native_archive(workspace: &Workspace, dist: &Path) -> Result<()> {
    let name = format!("azall-{}-{}", env!("CARGO_PKG_VERSION"), host_triple());
    let folder = dist.join(&name);
    fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
    for program in [workspace.azall(), workspace.sandbox(), workspace.azall_wasm()] {
        copy(&program, &folder.join(program.file_name().unwrap_or_default()))?;
    }
    for paper in PAPERS {
        copy(&workspace.root.join(paper), &folder.join(paper))?;
    }
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--file"])
        .arg(format!("{name}.tar.gz"))
        .arg(&name)
        .current_dir(dist);
    report::require("pack the native archive", &mut tar, MEND_TAR)?;
    fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))
}

/// The wheel for this platform, and the source that makes one elsewhere.
fn python_packages(workspace: &Workspace, dist: &Path) -> Result<()> {
    let environment = Environment::ensure(workspace)?;
    let folder = python_package::folder(workspace);
    let mut source = environment.module(&folder, "maturin", ["sdist", "--out"]);
    source.arg(dist);
    report::require("pack the source of the wheel", &mut source, MEND_MATURIN)?;
    // Not from that source: what is built in the tree already would be built again.
    let mut maturin = environment.module(&folder, "maturin", ["build", "--profile", "addon", "--out"]);
    maturin.arg(dist).env("CARGO_TARGET_DIR", &workspace.target);
    report::require("build the wheel", &mut maturin, MEND_MATURIN)
}

/// Every crate that the programs are made of, with versions and licences, as CycloneDX.
fn bill_of_materials(workspace: &Workspace, dist: &Path) -> Result<()> {
    let program = tools::sbom(workspace)?;
    let path = dist.join(format!("azall-{}.cdx.json", env!("CARGO_PKG_VERSION")));
    let file = fs::File::create(&path).map_err(Error::file("make", &path))?;
    report::heading("write the bill of materials");
    let start = |source| Error::Start {
        step: "write the bill of materials".to_owned(),
        program: program.display().to_string(),
        source,
        mend: MEND_CARGO.to_owned(),
    };
    let status = Command::new(&program)
        .args(["sbom", "--output-format", "cyclone_dx_json_1_6"])
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .stdout(file)
        .status()
        .map_err(start)?;
    if status.success() {
        return Ok(());
    }
    let step = "write the bill of materials".to_owned();
    Err(Error::Failed { step, how: status.to_string(), mend: MEND_CARGO.to_owned() })
}

/// `SHA256SUMS`, as `sha256sum --check` reads it.
fn checksums(dist: &Path) -> Result<()> {
    let names = names(dist)?;
    let mut sums = Command::new("sha256sum");
    sums.args(&names).current_dir(dist);
    let finished = report::run("checksums", &mut sums, MEND_TAR)?;
    let path: PathBuf = dist.join("SHA256SUMS");
    fs::write(&path, finished.output).map_err(Error::file("write", &path))
}
