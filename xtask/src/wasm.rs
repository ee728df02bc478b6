//! WebAssembly: the targets, and what is built for them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::debian;
use crate::error::{Error, Result};
use crate::packages;
use crate::report;
use crate::tools::Tools;
use crate::workspace::Workspace;

/// The target of the command line, WASI preview 1.
pub(crate) const WASI: &str = "wasm32-wasip1";

/// The target of the browser and Node.
pub(crate) const WEB: &str = "wasm32-unknown-unknown";

const MEND_TARGETS: &str = "install the targets (rustup target add wasm32-wasip1 wasm32-unknown-unknown); without rustup, on Debian, as root, \
                            this command installs Debian's own compiler for them";
const MEND_BUILD: &str = "see the compiler's message above";

/// Debian's packages with a compiler and the C library for WebAssembly.
const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22", "wasi-libc"];

/// The profile in which a target's modules are built.
fn profile(target: &str) -> &'static str {
    if target == WASI { "wasm" } else { "web" }
}

/// Debian's compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The compiler that builds everything else.
fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// The folders of this machine in which sources lie that are not the workspace's.
static REMAPPED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let cargo_home =
        env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let registry = cargo_home.map(|home| home.join("registry/src").display().to_string());
    let compiler = rustc().args(["--print", "sysroot"]).output();
    let sysroot = compiler.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    // The option's value is cut at blanks.
    let usable = |folder: &String| !folder.is_empty() && !folder.contains(' ');
    [registry, sysroot].into_iter().flatten().filter(usable).collect()
});

/// Who compiles for WebAssembly.
pub(crate) enum Toolchain {
    /// The compiler that builds everything else, which has the targets.
    Own,
    /// Debian's, which builds the standard library along: where the own one's cannot be fetched.
    Debian,
}

impl Toolchain {
    /// Finds one, installing what is missing: the own compiler's targets, else Debian's compiler.
    pub(crate) fn ensure() -> Result<Self> {
        if [WASI, WEB].iter().all(|target| has_target(target)) {
            println!("WebAssembly targets: ready");
            return Ok(Self::Own);
        }
        let mut add = Command::new("rustup");
        add.args(["target", "add", WASI, WEB]);
        if report::run("add the WebAssembly targets", &mut add, MEND_TARGETS).is_ok_and(|done| done.status.success()) {
            return Ok(Self::Own);
        }
        if !Path::new("/usr/lib/wasm32-wasi/crt1-command.o").exists() {
            debian::install("install Debian's compiler for WebAssembly", &DEBIAN_PACKAGES, MEND_TARGETS)?;
        }
        println!("WebAssembly targets: Debian's compiler");
        Ok(Self::Debian)
    }

    /// cargo, building for a target in the target's profile: a package, and what else is said of it.
    pub(crate) fn build(&self, workspace: &Workspace, arguments: &[&str], target: &str) -> Command {
        let mut command = self.cargo(workspace, "build", target);
        command.args(["--profile", profile(target)]).args(arguments);
        command
    }

    /// A task of cargo's for a target.
    pub(crate) fn cargo(&self, workspace: &Workspace, task: &str, target: &str) -> Command {
        let variable = target.to_uppercase().replace('-', "_");
        let mut command = workspace.cargo([task, "--target", target]);
        command.env(format!("CARGO_TARGET_{variable}_RUSTFLAGS"), self.flags(target));
        if let Self::Debian = self {
            command
                .arg("-Zbuild-std=std,panic_abort")
                .arg("--target-dir")
                .arg(self.target_folder(workspace))
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTC", DEBIAN_RUSTC)
                .env(format!("CARGO_TARGET_{variable}_LINKER"), "wasm-ld-22");
        }
        command
    }

    /// The compiler's own options for a target.
    fn flags(&self, target: &str) -> String {
        let mut flags = Vec::new();
        if target == WEB {
            // Browsers have had SIMD since 2023, Node for longer: signatures are a sixth quicker. Names that carry their types let
            // the optimizer put like functions side by side.
            flags.push("-C target-feature=+simd128 -C symbol-mangling-version=v0".to_owned());
        }
        if let (Self::Debian, WASI) = (self, target) {
            flags.push(
                "-C link-self-contained=no -L /usr/lib/wasm32-wasi -C link-arg=/usr/lib/wasm32-wasi/crt1-command.o"
                    .to_owned(),
            );
        }
        // What panics says where in the source it did, but not where on this machine that lay.
        flags.extend(REMAPPED.iter().map(|folder| format!("--remap-path-prefix={folder}=")));
        flags.join(" ")
    }

    /// A module that [`build`](Self::build) built.
    pub(crate) fn built(&self, workspace: &Workspace, target: &str, file: &str) -> PathBuf {
        self.target_folder(workspace).join(target).join(profile(target)).join(file)
    }

    /// Another compiler's output may not meet the own one's.
    fn target_folder(&self, workspace: &Workspace) -> PathBuf {
        match self {
            Self::Own => workspace.target.clone(),
            Self::Debian => workspace.target.join("debian"),
        }
    }

    /// The command that builds the command line for WASI.
    pub(crate) fn build_azall(&self, workspace: &Workspace) -> Command {
        self.build(workspace, &["--package", "azall-wasi"], WASI)
    }

    /// Puts the built command line beside the native programs as `azall.wasm`, with a word on what made it.
    pub(crate) fn publish_azall(&self, workspace: &Workspace) -> Result<PathBuf> {
        let built = self.built(workspace, WASI, "azall-wasi.wasm");
        let module = workspace.azall_wasm();
        if let Some(folder) = module.parent() {
            fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
        }
        fs::copy(&built, &module).map_err(Error::file("copy", &built))?;
        let info = module.with_extension("wasm.info");
        fs::write(&info, self.describe(WASI)).map_err(Error::file("write", &info))?;
        Ok(module)
    }

    /// What builds for a target: the compiler's own words, and the profile.
    pub(crate) fn describe(&self, target: &str) -> String {
        let mut compiler = match self {
            Self::Own => rustc(),
            Self::Debian => Command::new(DEBIAN_RUSTC),
        };
        let version = compiler.arg("--version").output().map(|it| it.stdout).unwrap_or_default();
        format!("compiler: {}\nprofile: {}\n", String::from_utf8_lossy(&version).trim(), profile(target))
    }
}

/// Puts the built sandbox beside the other native programs.
pub(crate) fn publish_sandbox(workspace: &Workspace) -> Result<()> {
    let (built, sandbox) = (workspace.built_sandbox(), workspace.sandbox());
    // By another name first: one that is running cannot be written over.
    let fresh = sandbox.with_extension("new");
    fs::copy(&built, &fresh).and_then(|_| fs::rename(&fresh, &sandbox)).map_err(Error::file("copy", &built))
}

/// Whether the compiler has the standard library for a target.
fn has_target(target: &str) -> bool {
    let asked = rustc()
        .args(["--print", "target-libdir", "--target", target])
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success());
    asked.is_some_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// `cargo xtask wasm`: builds `azall.wasm`, what runs it, and the JavaScript packages.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let toolchain = Toolchain::ensure()?;
    report::require("build azall.wasm", &mut toolchain.build_azall(workspace), MEND_BUILD)?;
    let module = toolchain.publish_azall(workspace)?;
    report::require("build the sandbox", &mut workspace.build_sandbox(), MEND_BUILD)?;
    report::require("build azall", &mut workspace.build_azall(), MEND_BUILD)?;
    publish_sandbox(workspace)?;
    let size = fs::metadata(&module).map_err(Error::file("look at", &module))?.len();
    println!("{} ({} KB)", module.display(), size / 1000);
    println!("{}\n{}", workspace.sandbox().display(), workspace.azall().display());
    packages(workspace, &toolchain)
}

/// `cargo xtask wasm packages`: the JavaScript packages alone.
pub(crate) fn run_packages(workspace: &Workspace) -> Result<()> {
    packages(workspace, &Toolchain::ensure()?)
}

fn packages(workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    packages::build_all(workspace, toolchain, &Tools::ensure(workspace)?)
}
