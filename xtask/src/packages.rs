//! The JavaScript packages: `bindings/wasm` compiled, given its glue and its types, and made small. Each lies in a folder of its own
//! under the target folder, with a word on what made it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::report;
use crate::tools::Tools;
use crate::wasm::{Toolchain, WEB};
use crate::workspace::Workspace;

const MEND_BUILD: &str = "see the compiler's message above";
const MEND_TOOL: &str = "see the tool's message above";

/// How a module is made small: small once it is compressed, as it is sent, not as it lies on a disk. So no code is drawn together
/// into something that nothing else resembles (inlined, shared between functions that are alike), and functions lie in the order of
/// their names: the copies of one generic function side by side, within a compressor's window.
const SHRINK: [&str; 7] = [
    "-Oz",
    "--skip-pass=inlining-optimizing",
    "--skip-pass=local-cse",
    "--skip-pass=merge-similar-functions",
    "--skip-pass=reorder-functions",
    "--reorder-functions-by-name",
    "--strip-producers",
];

/// One build of the module.
struct Package {
    name: &'static str,
    /// cargo's features of `azall-wasm`.
    features: &'static str,
    /// The declarations in `bindings/wasm/types` that are true of it.
    types: &'static [&'static str],
    /// Whether it loads itself when it is imported, as Node can.
    loads_itself: bool,
}

const PACKAGES: [Package; 3] = [
    Package {
        name: "pkg-web",
        features: "whole",
        types: &["verify", "protocol", "effects", "commands", "outcomes", "operation", "memory", "load"],
        loads_itself: false,
    },
    Package { name: "pkg-slim", features: "", types: &["verify", "load"], loads_itself: false },
    Package {
        name: "pkg-node",
        features: "cli",
        types: &[
            "verify",
            "protocol",
            "effects",
            "commands",
            "outcomes",
            "operation",
            "memory",
            "command-line",
            "command-line-memory",
        ],
        loads_itself: true,
    },
];

/// What the glue throws where an object is of no use any more, or is used by itself: an error of its own.
const GLUE_ERROR: &str = "throw new Error(getStringFromWasm0(arg0, arg1));";

/// What it throws instead: what everything else throws.
const OWN_ERROR: &str = "throw misused(getStringFromWasm0(arg0, arg1));";

/// How that is made.
const MISUSED: &str = "
function misused(words) {
    const message = words.startsWith('null pointer') ? 'the object was freed, or was not made by this module' : words;
    return Object.assign(new Error(message), { name: 'AzallError', code: 'argument', exitCode: 2 });
}
";

/// In Node the module is read from beside this file, at once.
const NODE_ENTRY: &str = "\
import { readFileSync } from 'node:fs';
import { initSync } from './azall_glue.js';

initSync({ module: readFileSync(new URL('azall_bg.wasm', import.meta.url)) });
export * from './azall_glue.js';
";

/// The folder of a package.
pub(crate) fn folder(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("wasm").join(name)
}

/// Builds every package that is not as it would be built now.
pub(crate) fn build_all(workspace: &Workspace, toolchain: &Toolchain, tools: &Tools) -> Result<()> {
    PACKAGES.iter().try_for_each(|package| package.build(workspace, toolchain, tools))
}

impl Package {
    fn build(&self, workspace: &Workspace, toolchain: &Toolchain, tools: &Tools) -> Result<()> {
        let arguments = ["--package", "azall-wasm", "--no-default-features", "--features", self.features];
        let mut build = toolchain.build(workspace, &arguments, WEB);
        report::require(&format!("build {}", self.name), &mut build, MEND_BUILD)?;
        let compiled = toolchain.built(workspace, WEB, "azall_wasm.wasm");
        let module = fs::read(&compiled).map_err(Error::file("read", &compiled))?;

        let folder = folder(workspace, self.name);
        let made_of = Recipe { module, words: self.recipe(workspace, toolchain, tools)? };
        let kept = folder.with_extension("made-of");
        if made_of.is_in(&kept) && folder.join("azall_bg.wasm").exists() {
            println!("{}: ready", folder.display());
            return Ok(());
        }
        let _ = fs::remove_dir_all(&kept);
        self.glue(&compiled, &folder, tools)?;
        self.shrink(&folder, tools)?;
        self.describe(workspace, &folder, &made_of.words)?;
        made_of.keep(&kept)
    }

    /// What the package is made of and with, but for the compiled module.
    fn recipe(&self, workspace: &Workspace, toolchain: &Toolchain, tools: &Tools) -> Result<String> {
        let words = format!(
            "{}features: {}\nwasm-bindgen: {}\nwasm-opt: {} {}\n",
            toolchain.describe(WEB),
            if self.features.is_empty() { "none" } else { self.features },
            tools.bindgen_version,
            tools.optimizer_version,
            SHRINK.join(" "),
        );
        Ok(words + &self.declarations(workspace)? + MISUSED)
    }

    /// The declarations, one after the other: together they are one module's.
    fn declarations(&self, workspace: &Workspace) -> Result<String> {
        let mut all = String::new();
        for name in self.types {
            let path = workspace.root.join("bindings/wasm/types").join(format!("{name}.d.ts"));
            all += &fs::read_to_string(&path).map_err(Error::file("read", &path))?;
            all.push('\n');
        }
        Ok(all)
    }

    /// Makes the folder with the module and its glue.
    fn glue(&self, compiled: &Path, folder: &Path, tools: &Tools) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(Error::file("remove the former", folder))?;
        }
        let mut bindgen = Command::new(&tools.bindgen);
        bindgen.args(["--target", "web", "--no-typescript", "--out-name", "azall", "--out-dir"]);
        bindgen.arg(folder).arg(compiled);
        report::require(&format!("glue of {}", self.name), &mut bindgen, MEND_TOOL)?;
        let entry = folder.join("azall.js");
        let glue = fs::read_to_string(&entry).map_err(Error::file("read", &entry))?;
        let glue = glue.replace(GLUE_ERROR, OWN_ERROR) + MISUSED;
        fs::write(&entry, glue).map_err(Error::file("write", &entry))?;
        if self.loads_itself {
            let glue = folder.join("azall_glue.js");
            fs::rename(&entry, &glue).map_err(Error::file("rename", &entry))?;
            fs::write(&entry, NODE_ENTRY).map_err(Error::file("write", &entry))?;
        }
        Ok(())
    }

    /// Makes the module small. Features that are newer than the runtimes are not asked for.
    fn shrink(&self, folder: &Path, tools: &Tools) -> Result<()> {
        let module = folder.join("azall_bg.wasm");
        let mut optimize = tools.modules.program("wasm-opt");
        optimize.args(SHRINK).arg(&module).arg("-o").arg(&module);
        report::require(&format!("make {} small", self.name), &mut optimize, MEND_TOOL)
    }

    /// Writes the declarations, `package.json`, and the word on what made it.
    fn describe(&self, workspace: &Workspace, folder: &Path, recipe: &str) -> Result<()> {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Error::file("write", &path))
        };
        write("azall.d.ts", &self.declarations(workspace)?)?;
        write("package.json", &self.manifest())?;
        let module = folder.join("azall_bg.wasm");
        let bytes = fs::read(&module).map_err(Error::file("read", &module))?;
        let packed = gzipped(&bytes)?;
        let words = recipe.lines().take_while(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n");
        let sizes = format!("size: {}\ngzipped: {packed}\n", bytes.len());
        write("azall_bg.wasm.info", &format!("{words}\n{sizes}"))?;
        println!("{} ({} KB, {} KB gzipped)", folder.display(), bytes.len() / 1000, packed / 1000);
        Ok(())
    }

    fn manifest(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let name = self.name.replace("pkg-", "azall-wasm-");
        format!(
            "{{\n  \"name\": \"{name}\",\n  \"version\": \"{version}\",\n  \"license\": \"MIT OR Apache-2.0\",\n  \"type\": \"module\",\n  \
             \"exports\": {{ \".\": {{ \"types\": \"./azall.d.ts\", \"default\": \"./azall.js\" }}, \"./azall_bg.wasm\": \"./azall_bg.wasm\" }},\n  \
             \"sideEffects\": {}\n}}\n",
            self.loads_itself
        )
    }
}

/// What a package was made of. It is kept, and a package is made anew when it would be made of something else.
struct Recipe {
    module: Vec<u8>,
    words: String,
}

impl Recipe {
    fn is_in(&self, folder: &Path) -> bool {
        fs::read(folder.join("words")).is_ok_and(|words| words == self.words.as_bytes())
            && fs::read(folder.join("module.wasm")).is_ok_and(|module| module == self.module)
    }

    fn keep(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
        let module = folder.join("module.wasm");
        fs::write(&module, &self.module).map_err(Error::file("write", &module))?;
        // Last: a recipe without it is of a package that was not finished.
        let words = folder.join("words");
        fs::write(&words, &self.words).map_err(Error::file("write", &words))
    }
}

/// How many bytes these are when they are gzipped as a server does it beforehand.
fn gzipped(bytes: &[u8]) -> Result<usize> {
    let failed = |source| Error::Start {
        step: "measure".to_owned(),
        program: "gzip".to_owned(),
        source,
        mend: "install gzip".to_owned(),
    };
    let mut gzip = Command::new("gzip")
        .args(["-9", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let input = gzip.stdin.take();
    let count = std::thread::scope(|scope| {
        scope.spawn(|| input.map(|mut input| input.write_all(bytes)));
        gzip.wait_with_output().map(|output| output.stdout.len())
    });
    count.map_err(failed)
}
