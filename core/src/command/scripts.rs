//! `skill` and `tool`: Python scripts that an agent keeps, its own and those shared with all agents here.

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
        code: String,
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

/// A script that is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no {kind} {name:?}; `azall {kind}` lists those that are")]
pub struct NoSuchScript {
    /// `skill` or `tool`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
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
/// [`NoSuchScript`]; files that cannot be read or written; on a host without processes, running.
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
            add(session, kind, &name, code, meta, shared).await?
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

/// The files of a script in a folder: the code, and what is known of it.
fn files(folder: &Place, script: &str) -> Result<(Place, Place), Error> {
    let name = name::sanitize(script.strip_suffix(".py").unwrap_or(script));
    Ok((folder.join(&format!("{name}.py"))?, folder.join(&format!("{name}.meta.json"))?))
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
    let names: Vec<&str> = files.filter_map(|entry| entry.name.strip_suffix(".py")).collect();
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
    code: String,
    meta: ScriptMeta,
    shared: bool,
) -> Result<ScriptOutcome, Error> {
    let folder = if shared { kind.shared() } else { session.home.scripts(kind) };
    let (script, about) = files(&folder, name)?;
    let meta_json = python_json::pretty(&serde_json::to_value(&meta).unwrap_or_default());
    lock::locked(&session.cx, &session.home.lock(), async {
        session.cx.write(&script, code).await?;
        session.cx.write(&about, meta_json).await?;
        Ok::<_, Error>(())
    })
    .await?;
    let row = ScriptRow { name: stem(&script), shared, meta };
    Ok(ScriptOutcome { scripts: vec![row], path: Some(session.shown(&script)), ..outcome(kind, "added") })
}

fn stem(script: &Place) -> String {
    script.path.file_name().trim_end_matches(".py").to_owned()
}

/// An own script, else a shared one: its files and its code.
async fn find(session: &Session, kind: ScriptKind, name: &str) -> Result<(Place, Place, Vec<u8>), Error> {
    for folder in [session.home.scripts(kind), kind.shared()] {
        let (script, about) = files(&folder, name)?;
        if let Some(code) = session.cx.read(&script).await? {
            return Ok((script, about, code));
        }
    }
    Err(NoSuchScript { kind: word(kind), name: name.to_owned() }.into())
}

async fn meta_of(session: &Session, about: &Place) -> Result<ScriptMeta, Error> {
    let bytes = session.cx.read(about).await?.unwrap_or_default();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn read(session: &Session, kind: ScriptKind, name: &str) -> Result<ScriptOutcome, Error> {
    let (script, about, code) = find(session, kind, name).await?;
    let shared = script.root == kind.shared().root;
    let row = ScriptRow { name: stem(&script), shared, meta: meta_of(session, &about).await? };
    Ok(ScriptOutcome {
        scripts: vec![row],
        path: Some(session.shown(&script)),
        code: Some(text::decode(&code).into_owned()),
        ..outcome(kind, "shown")
    })
}

async fn promote(session: &Session, kind: ScriptKind, name: &str) -> Result<ScriptOutcome, Error> {
    let (script, about) = files(&session.home.scripts(kind), name)?;
    let Some(code) = session.cx.read(&script).await? else {
        return Err(NoSuchScript { kind: word(kind), name: name.to_owned() }.into());
    };
    let mut meta = meta_of(session, &about).await?;
    meta.promoted_by = Some(session.address().to_string());
    meta.promoted_at = Some(session.cx.now().local_text());
    let code = String::from_utf8_lossy(&code).into_owned();
    Ok(ScriptOutcome { done: "promoted", ..add(session, kind, name, code, meta, true).await? })
}

async fn delete(session: &Session, kind: ScriptKind, name: &str) -> Result<ScriptOutcome, Error> {
    let (script, about) = files(&session.home.scripts(kind), name)?;
    if session.cx.read(&script).await?.is_none() {
        return Err(NoSuchScript { kind: word(kind), name: name.to_owned() }.into());
    }
    lock::locked(&session.cx, &session.home.lock(), async {
        session.cx.remove(&script).await?;
        session.cx.remove(&about).await?;
        Ok::<_, Error>(())
    })
    .await?;
    Ok(ScriptOutcome { path: Some(session.shown(&script)), ..outcome(kind, "deleted") })
}

async fn run(session: &Session, kind: ScriptKind, name: &str, args: Vec<String>) -> Result<ScriptOutcome, Error> {
    let (script, _, _) = find(session, kind, name).await?;
    let request = RunScript { script: script.clone(), args, timeout_ms: TIME_LIMIT_MS, output_limit: OUTPUT_LIMIT };
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
