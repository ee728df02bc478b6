//! `skill` and `tool`: scripts that an agent keeps, its own and those shared with all agents here. They are written in Python; a tool
//! may also be a WebAssembly program (WASI preview 1), which is run in the sandbox.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::effect::{EntryKind, RunScript};
use crate::engine::lock;
use crate::protocol::layout::{Place, ScriptKind};
use crate::protocol::name;
use crate::protocol::python_json;
use crate::protocol::text;

use super::error::Error;
use super::index;
use super::session::Session;

/// How long a tool may run, in milliseconds.
const TIME_LIMIT_MS: u64 = 120_000;

/// How much is kept of each of its output streams.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// A command about scripts of a kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptCommand {
    /// Skills or tools.
    pub kind: ScriptKind,
    /// What to do.
    pub action: ScriptAction,
}

/// What to do with scripts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum ScriptAction {
    /// List them.
    List {
        /// Only those shared with all agents.
        shared_only: bool,
    },
    /// Keep one.
    Add {
        /// Its name.
        name: String,
        /// Its code.
        code: Code,
        /// What it does.
        description: String,
        /// Its version.
        version: String,
        /// For all agents instead of this one.
        shared: bool,
    },
    /// Show one's code.
    Read {
        /// Its name.
        name: String,
    },
    /// Share one with all agents.
    Promote {
        /// Its name.
        name: String,
    },
    /// Remove an own one.
    Delete {
        /// Its name.
        name: String,
    },
    /// Run one.
    Run {
        /// Its name.
        name: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

/// A script's code: text is Python, bytes may be either.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Code {
    /// Python.
    Text(String),
    /// What a file holds.
    Bytes(#[serde(with = "crate::engine::transcript::bytes")] Vec<u8>),
}

impl Code {
    /// The code as it is kept: a program as it is, anything else as text.
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) if is_program(&bytes) => bytes,
            Self::Bytes(bytes) => text::decode(&bytes).into_owned().into_bytes(),
        }
    }
}

/// How every WebAssembly module begins.
const PROGRAM_START: &[u8; 4] = b"\0asm";

/// Whether these bytes are a WebAssembly program.
fn is_program(code: &[u8]) -> bool {
    code.starts_with(PROGRAM_START)
}

/// What a script's file is called behind its name.
const LANGUAGES: [&str; 2] = [".py", ".wasm"];

/// What is known of a script, beside it in `<name>.meta.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ScriptMeta {
    /// Who wrote it.
    #[serde(default)]
    pub author: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// When it was made, local time.
    #[serde(default)]
    pub created: String,
    /// Who shared it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted_by: Option<String>,
    /// When it was shared, local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted_at: Option<String>,
    /// What other clients wrote.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// A script of a listing.
#[derive(Debug, Serialize)]
pub struct ScriptRow {
    /// Its name.
    pub name: String,
    /// Whether it is shared with all agents.
    pub shared: bool,
    /// What is known of it.
    #[serde(flatten)]
    pub meta: ScriptMeta,
}

/// What was found or done.
#[derive(Debug, Serialize)]
pub struct ScriptOutcome {
    /// Skills or tools.
    pub kind: ScriptKind,
    /// `listed`, `added`, `shown`, `promoted`, `deleted` or `ran`.
    pub done: &'static str,
    /// The scripts concerned.
    pub scripts: Vec<ScriptRow>,
    /// The file concerned.
    pub path: Option<String>,
    /// Its code, where it was asked for.
    pub code: Option<String>,
    /// How it ran.
    pub run: Option<ScriptRun>,
}

/// How a tool ran.
#[derive(Debug, Serialize)]
pub struct ScriptRun {
    /// Its exit code; absent when it was ended from outside.
    pub exit_code: Option<i32>,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Whether either was cut.
    pub truncated: bool,
}

impl ScriptOutcome {
    /// The tool's own exit code, 1 when it was ended from outside; 0 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match &self.run {
            None => 0,
            Some(run) => run.exit_code.map_or(1, |code| u8::try_from(code & 0xff).unwrap_or(1)),
        }
    }
}

/// A command about scripts that was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// It is not there.
    #[error("there is no {kind} {name:?}; `azall {kind}` lists those that are")]
    NotThere {
        /// `skill` or `tool`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A skill tells how something is done: it is read, and a program cannot be.
    #[error("{name:?} is a WebAssembly program; it can be a tool (`azall tool {name} --add FILE`), not a skill")]
    ProgramAsSkill {
        /// The name.
        name: String,
    },
}

/// The word for a kind.
#[must_use]
pub const fn word(kind: ScriptKind) -> &'static str {
    match kind {
        ScriptKind::Skill => "skill",
        ScriptKind::Tool => "tool",
    }
}

/// Lists, adds, shows, shares, removes or runs scripts.
///
/// # Errors
/// [`ScriptError`]; files that cannot be read or written; on a host without processes, running.
pub async fn scripts(session: &mut Session, command: ScriptCommand) -> Result<ScriptOutcome, Error> {
    session.enter().await?;
    let session = &*session;
    let ScriptCommand { kind, action } = command;
    let outcome = match action {
        ScriptAction::List { shared_only } => list(session, kind, shared_only).await?,
        ScriptAction::Add { name, code, description, version, shared } => {
            let meta = ScriptMeta {
                author: session.address().to_string(),
                description,
                version,
                created: session.cx.now().local_text(),
                ..ScriptMeta::default()
            };
            add(session, kind, &name, code.into_bytes(), meta, shared).await?
        }
        ScriptAction::Read { name } => read(session, kind, &name).await?,
        ScriptAction::Promote { name } => promote(session, kind, &name).await?,
        ScriptAction::Delete { name } => delete(session, kind, &name).await?,
        ScriptAction::Run { name, args } => run(session, kind, &name, args).await?,
    };
    if matches!(outcome.done, "added" | "deleted") {
        index::refresh_day_index(session, session.today()).await?;
    }
    Ok(outcome)
}

fn outcome(kind: ScriptKind, done: &'static str) -> ScriptOutcome {
    ScriptOutcome { kind, done, scripts: Vec::new(), path: None, code: None, run: None }
}

/// A script's name without what its file is called behind it.
fn stem(script: &str) -> &str {
    LANGUAGES.iter().find_map(|language| script.strip_suffix(language)).unwrap_or(script)
}

/// The files of a script in a folder.
struct Files {
    /// Its code, in each language that it may be written in.
    code: [Place; 2],
    /// What is known of it.
    about: Place,
}

impl Files {
    fn of(folder: &Place, script: &str) -> Result<Self, Error> {
        let name = name::sanitize(stem(script));
        let [python, program] = LANGUAGES.map(|language| folder.join(&format!("{name}{language}")));
        Ok(Self { code: [python?, program?], about: folder.join(&format!("{name}.meta.json"))? })
    }

    /// The file with the code, and the code.
    async fn find(&self, session: &Session) -> Result<Option<(&Place, Vec<u8>)>, Error> {
        for place in &self.code {
            if let Some(code) = session.cx.read(place).await? {
                return Ok(Some((place, code)));
            }
        }
        Ok(None)
    }
}

async fn list(session: &Session, kind: ScriptKind, shared_only: bool) -> Result<ScriptOutcome, Error> {
    let mut outcome = outcome(kind, "listed");
    if !shared_only {
        outcome.scripts.extend(rows(session, &session.home.scripts(kind), false).await?);
    }
    outcome.scripts.extend(rows(session, &kind.shared(), true).await?);
    Ok(outcome)
}

async fn rows(session: &Session, folder: &Place, shared: bool) -> Result<Vec<ScriptRow>, Error> {
    let entries = session.cx.list(folder).await?;
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let mut names: Vec<&str> = files
        .map(|entry| (stem(&entry.name), &entry.name))
        .filter(|(stem, name)| stem != name)
        .map(|(stem, _)| stem)
        .collect();
    names.dedup();
    let metas = names.iter().map(|name| format!("{name}.meta.json")).collect();
    let metas = session.cx.read_many(folder, metas, OUTPUT_LIMIT).await?;
    Ok(names
        .into_iter()
        .zip(metas)
        .map(|(name, meta)| ScriptRow {
            name: name.to_owned(),
            shared,
            meta: meta.ok().and_then(|meta| serde_json::from_slice(&meta.bytes).ok()).unwrap_or_default(),
        })
        .collect())
}

async fn add(
    session: &Session,
    kind: ScriptKind,
    name: &str,
    code: Vec<u8>,
    meta: ScriptMeta,
    shared: bool,
) -> Result<ScriptOutcome, Error> {
    let folder = if shared { kind.shared() } else { session.home.scripts(kind) };
    let files = Files::of(&folder, name)?;
    let [python, program] = &files.code;
    let (script, other) = match (is_program(&code), kind) {
        (true, ScriptKind::Skill) => return Err(ScriptError::ProgramAsSkill { name: stem(name).to_owned() }.into()),
        (true, ScriptKind::Tool) => (program, python),
        (false, _) => (python, program),
    };
    let meta_json = python_json::pretty(&serde_json::to_value(&meta).unwrap_or_default());
    lock::locked(&session.cx, &session.home.lock(), async {
        session.cx.write(script, code).await?;
        session.cx.write(&files.about, meta_json).await?;
        // An earlier one of this name in the other language is replaced.
        session.cx.remove(other).await?;
        Ok::<_, Error>(())
    })
    .await?;
    let row = ScriptRow { name: stem(script.path.file_name()).to_owned(), shared, meta };
    Ok(ScriptOutcome { scripts: vec![row], path: Some(session.shown(script)), ..outcome(kind, "added") })
}

fn not_there(kind: ScriptKind, name: &str) -> Error {
    ScriptError::NotThere { kind: word(kind), name: name.to_owned() }.into()
}

/// An own script, else a shared one: its file, what is known of it, and its code.
async fn find(session: &Session, kind: ScriptKind, name: &str) -> Result<(Place, Place, Vec<u8>), Error> {
    for folder in [session.home.scripts(kind), kind.shared()] {
        let files = Files::of(&folder, name)?;
        if let Some((script, code)) = files.find(session).await? {
            return Ok((script.clone(), files.about, code));
        }
    }
    Err(not_there(kind, name))
}

async fn meta_of(session: &Session, about: &Place) -> Result<ScriptMeta, Error> {
    let bytes = session.cx.read(about).await?.unwrap_or_default();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn read(session: &Session, kind: ScriptKind, name: &str) -> Result<ScriptOutcome, Error> {
    let (script, about, code) = find(session, kind, name).await?;
    let shared = script.root == kind.shared().root;
    let name = stem(script.path.file_name()).to_owned();
    let row = ScriptRow { name, shared, meta: meta_of(session, &about).await? };
    let is_text = !is_program(&code);
    Ok(ScriptOutcome {
        scripts: vec![row],
        path: Some(session.shown(&script)),
        code: is_text.then(|| text::decode(&code).into_owned()),
        ..outcome(kind, "shown")
    })
}

async fn promote(session: &Session, kind: ScriptKind, name: &str) -> Result<ScriptOutcome, Error> {
    let files = Files::of(&session.home.scripts(kind), name)?;
    let (_, code) = files.find(session).await?.ok_or_else(|| not_there(kind, name))?;
    let mut meta = meta_of(session, &files.about).await?;
    meta.promoted_by = Some(session.address().to_string());
    meta.promoted_at = Some(session.cx.now().local_text());
    Ok(ScriptOutcome { done: "promoted", ..add(session, kind, name, code, meta, true).await? })
}

async fn delete(session: &Session, kind: ScriptKind, name: &str) -> Result<ScriptOutcome, Error> {
    let files = Files::of(&session.home.scripts(kind), name)?;
    let (script, _) = files.find(session).await?.ok_or_else(|| not_there(kind, name))?;
    lock::locked(&session.cx, &session.home.lock(), async {
        session.cx.remove(script).await?;
        session.cx.remove(&files.about).await?;
        Ok::<_, Error>(())
    })
    .await?;
    Ok(ScriptOutcome { path: Some(session.shown(script)), ..outcome(kind, "deleted") })
}

async fn run(session: &Session, kind: ScriptKind, name: &str, args: Vec<String>) -> Result<ScriptOutcome, Error> {
    let (script, _, _) = find(session, kind, name).await?;
    let request = RunScript {
        script: script.clone(),
        folder: session.home.dir(),
        args,
        timeout_ms: TIME_LIMIT_MS,
        output_limit: OUTPUT_LIMIT,
    };
    let result = session.cx.run_script(request).await?;
    let run = ScriptRun {
        exit_code: result.code,
        timed_out: result.timed_out,
        stdout: text::decode(&result.stdout).into_owned(),
        stderr: text::decode(&result.stderr).into_owned(),
        truncated: result.truncated,
    };
    Ok(ScriptOutcome { path: Some(session.shown(&script)), run: Some(run), ..outcome(kind, "ran") })
}
