//! `send`, `reply`, `inbox`, `read`, `held`, `search`: what they take and how they show what they did.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::input::{Input, Inputs, Source};
use super::page::{Page, Show, Style};
use super::{Arguments, UsageError};
use crate::command::Command;
use crate::command::inbox::{Inbox, InboxListing};
use crate::command::index::{Index, IndexOutcome};
use crate::command::mail::{Damaged, Row};
use crate::command::read::{Attached, Held, HeldOutcome, Read, ReadMessage};
use crate::command::search::{Found, Search};
use crate::command::send::{Attachment, Reply, Send, Sent};
use crate::protocol::address::Address;
use crate::protocol::text;
use crate::protocol::time::Day;
use crate::protocol::verdict::{Origin, Peer, Verdict};
use crate::sync::outbox::{Delivery, RecipientState};

/// Reads a day for clap.
pub(crate) fn parse_day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "write a day as YYYY-MM-DD".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  azall send --to bob.agenttalk -s \"Hello\" -b \"Hi Bob\"
  azall send --to a@localhost,b@localhost -s Report --body-file report.md --attach data.csv
  echo \"The build is green\" | azall send --to bob.agenttalk -s Build

The message is signed, queued, and delivered at once where it can be. Exit code 0: accepted or queued; 1: a recipient cannot be reached for good.")]
pub(crate) struct SendArgs {
    /// Recipient; several with commas or by repeating the option
    #[arg(long, required = true, value_name = "ADDRESS")]
    to: Vec<String>,
    /// Further recipients, in the same way
    #[arg(long, value_name = "ADDRESS")]
    cc: Vec<String>,
    /// Subject
    #[arg(long, short, default_value = "")]
    subject: String,
    #[command(flatten)]
    text: BodyArgs,
}

/// The text of a message and its attachments.
#[derive(Debug, Args)]
struct BodyArgs {
    /// Text of the message; without it and --body-file it is read from standard input
    #[arg(long, short, conflicts_with = "body_file")]
    body: Option<String>,
    /// Read the text from a file, - for standard input
    #[arg(long, value_name = "FILE")]
    body_file: Option<String>,
    /// Attach a file; repeatable
    #[arg(long, short, value_name = "FILE")]
    attach: Vec<String>,
}

impl BodyArgs {
    fn sources(&self) -> Vec<Source> {
        let body = match (&self.body, &self.body_file) {
            (Some(_), _) => None,
            (None, Some(file)) if file == "-" => Some(Source::Stdin),
            (None, Some(file)) => Some(Source::File(file.clone())),
            (None, None) => Some(Source::StdinIfPiped),
        };
        body.into_iter().chain(self.attach.iter().cloned().map(Source::File)).collect()
    }

    fn take(self, inputs: &mut Inputs) -> Result<(String, Vec<Attachment>), UsageError> {
        let body = match self.body {
            Some(body) => body,
            None => match inputs.take() {
                Some(input) => input.text(),
                None => {
                    return Err(UsageError::Missing {
                        what: "the text",
                        give: "--body, --body-file or standard input",
                    });
                }
            },
        };
        let attachments = self
            .attach
            .iter()
            .filter_map(|_| inputs.take())
            .map(|input| Attachment { name: input.file_name().to_owned(), bytes: Input::into_bytes(input) })
            .collect();
        Ok((body, attachments))
    }
}

fn addresses(argument: &'static str, texts: &[String]) -> Result<Vec<Address>, UsageError> {
    Address::parse_list(&texts.join(",")).map_err(|error| UsageError::value(argument, error))
}

impl Arguments for SendArgs {
    fn sources(&self) -> Vec<Source> {
        self.text.sources()
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        let to = addresses("--to", &self.to)?;
        if to.is_empty() {
            return Err(UsageError::Missing { what: "a recipient", give: "--to ADDRESS" });
        }
        let cc = addresses("--cc", &self.cc)?;
        if !text::is_header_safe(&self.subject) {
            return Err(UsageError::value("--subject", "it must be one line without control characters"));
        }
        let (body, attachments) = self.text.take(inputs)?;
        Ok(Send { to, cc, subject: self.subject, body, attachments }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  azall reply 8be914 -b \"Got it, thanks.\"")]
pub(crate) struct ReplyArgs {
    /// The message to answer: its id, or the beginning of it
    id: String,
    #[command(flatten)]
    text: BodyArgs,
    /// Answer everybody whom the message went to
    #[arg(long)]
    all: bool,
}

impl Arguments for ReplyArgs {
    fn sources(&self) -> Vec<Source> {
        self.text.sources()
    }

    fn command(self, inputs: &mut Inputs) -> Result<Command, UsageError> {
        let (body, attachments) = self.text.take(inputs)?;
        Ok(Reply { id: self.id, body, attachments, all: self.all }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  azall inbox                  sync, then list today's messages
  azall inbox --all --offline  list every day without a sync
  azall inbox --watch          go on, and tell of each message as it arrives")]
pub(crate) struct InboxArgs {
    /// Another day than today
    #[arg(long, short, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    date: Option<Day>,
    /// Every day, whatever --date says
    #[arg(long)]
    all: bool,
    /// Do not sync first
    #[arg(long)]
    offline: bool,
    /// Only messages that were not read yet
    #[arg(long)]
    unread: bool,
    /// Go on, and tell of each message as it arrives
    #[arg(long, conflicts_with_all = ["offline", "date"])]
    watch: bool,
}

impl Arguments for InboxArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        let Self { date, all, offline, unread, watch } = self;
        Ok(Inbox { date, all, offline, unread, watch }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  azall read 8be914\n  azall read 8be914f5d054 --raw")]
pub(crate) struct ReadArgs {
    /// The message's id, or the beginning of it
    id: String,
    /// Only on this day
    #[arg(long, short, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    date: Option<Day>,
    /// The file as it is, envelope and all
    #[arg(long)]
    raw: bool,
}

impl Arguments for ReadArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Read { id: self.id, date: self.date, raw: self.raw }.into())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Messages land here when signature_policy or on_key_change in the config says so.\n\nExamples:\n  azall held list\n  azall held release 8be914"
)]
pub(crate) struct HeldArgs {
    #[command(subcommand)]
    action: Option<HeldAction>,
}

#[derive(Debug, Subcommand)]
enum HeldAction {
    /// List what is held back
    #[command(after_help = "Example:\n  azall held list --json")]
    List,
    /// Move a message into the inbox
    #[command(after_help = "Example:\n  azall held release 8be914")]
    Release {
        /// The message's id, or the beginning of it
        id: String,
    },
    /// Throw a message away
    #[command(after_help = "Example:\n  azall held drop 8be914")]
    Drop {
        /// The message's id, or the beginning of it
        id: String,
    },
}

impl Arguments for HeldArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(match self.action {
            None | Some(HeldAction::List) => Held::List,
            Some(HeldAction::Release { id }) => Held::Release(id),
            Some(HeldAction::Drop { id }) => Held::Drop(id),
        }
        .into())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  azall search deployment\n  azall search invoice --from billing --since 2026-01-01 --limit 10"
)]
pub(crate) struct SearchArgs {
    /// Text to look for, in any case
    query: String,
    /// Only messages whose sender contains this
    #[arg(long, value_name = "TEXT")]
    from: Option<String>,
    /// Only messages one of whose recipients contains this
    #[arg(long, value_name = "TEXT")]
    to: Option<String>,
    /// Only from this day on
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    since: Option<Day>,
    /// At most this many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl Arguments for SearchArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        let Self { query, from, to, since, limit } = self;
        if text::strip(&query).is_empty() {
            return Err(UsageError::value("QUERY", "it is empty"));
        }
        Ok(Search { query, from, to, since, limit }.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  azall index\n  azall index --rebuild")]
pub(crate) struct IndexArgs {
    /// Another day than today
    #[arg(long, short, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    date: Option<Day>,
    /// Rebuild the indexes of all days and of all memories
    #[arg(long)]
    rebuild: bool,
}

impl Arguments for IndexArgs {
    fn command(self, _: &mut Inputs) -> Result<Command, UsageError> {
        Ok(Index { date: self.date, rebuild: self.rebuild }.into())
    }
}

impl Show for IndexOutcome {
    fn show(&self, page: &mut Page) {
        match &self.text {
            Some(text) => page.text(text).end_line(),
            None => page.line(&format!("Rebuilt {}.", text::count(self.rebuilt, "index file", "index files"))),
        };
    }
}

/// How a verdict stands out.
fn verdict_style(verdict: &Verdict) -> Style {
    match (verdict.origin, verdict.peer) {
        (_, Some(Peer::KeyChanged | Peer::Downgraded)) | (Origin::Invalid, _) => Style::Bad,
        _ if verdict.misaddressed => Style::Caution,
        (Origin::Valid, _) => Style::Good,
        _ => Style::Caution,
    }
}

/// A verdict in words, without the fingerprint.
fn verdict_words(verdict: Option<&Verdict>) -> String {
    let Some(verdict) = verdict else { return "unchecked".to_owned() };
    let mut words = verdict.origin.word().to_owned();
    if let Some(peer) = verdict.peer {
        words.push_str(", ");
        words.push_str(peer.word());
    }
    if verdict.misaddressed {
        words.push_str(", misaddressed");
    }
    words
}

/// The time of day in a date as it is written, or nothing.
fn clock(date: &str) -> &str {
    match date.get(10..16) {
        Some(clock) if clock.starts_with([' ', 'T']) => clock.get(1..).unwrap_or_default(),
        _ => "--:--",
    }
}

fn show_row(row: &Row, page: &mut Page) {
    let mark = if row.unread { "[NEW]" } else { "     " };
    page.styled(if row.unread { Style::Strong } else { Style::Plain }, &format!("  {mark} "));
    page.styled(Style::Faint, clock(&row.date)).text("  ").styled(Style::Strong, row.location.id.as_str());
    page.text("  ").styled(Style::Plain, &row.from).text(": ");
    page.styled(Style::Plain, if row.subject.is_empty() { "(no subject)" } else { &row.subject });
    if !row.attachments.is_empty() {
        page.styled(Style::Faint, &format!("  [{} attached]", row.attachments.len()));
    }
    let style = row.verdict.as_ref().map_or(Style::Faint, verdict_style);
    page.text("  ").styled(style, &format!("({})", verdict_words(row.verdict.as_ref()))).end();
}

/// Files that could not be used, a line each.
pub(super) fn show_damaged(damaged: &[Damaged], page: &mut Page) {
    for file in damaged {
        page.styled(Style::Bad, "  damaged: ").styled(Style::Plain, &file.path).text(": ").line(&file.reason);
    }
}

fn show_rows_by_day(rows: &[Row], page: &mut Page) {
    let mut days: BTreeMap<Day, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        days.entry(row.location.day).or_default().push(row);
    }
    for (day, rows) in days {
        page.styled_line(Style::Strong, &day.to_string());
        for row in rows {
            show_row(row, page);
        }
    }
}

impl Show for InboxListing {
    fn show(&self, page: &mut Page) {
        if self.watched {
            return;
        }
        let when = self.date.map_or_else(|| "every day".to_owned(), |day| day.to_string());
        page.styled_line(Style::Strong, &format!("INBOX of {} | {when}", self.agent));
        if self.messages.is_empty() {
            page.line("  (empty)");
        }
        show_rows_by_day(&self.messages, page);
        show_damaged(&self.damaged, page);
        page.line(&format!("{}, {} unread", text::count(self.messages.len(), "message", "messages"), self.unread));
        if self.unread > 0 {
            page.line("Read each with `azall read ID` (the beginning of an id is enough).");
        }
        if self.unchecked > 0 {
            page.line(&format!(
                "{} were put here by another client and are not verified yet; `azall read` verifies.",
                self.unchecked
            ));
        }
        if let Some(report) = &self.sync {
            let held = report
                .received
                .iter()
                .filter(|message| message.folder == crate::protocol::layout::Folder::Held)
                .count();
            if held > 0 {
                page.styled_line(Style::Caution, &format!("{held} held back by policy: see `azall held`."));
            }
        }
    }
}

impl Show for ReadMessage {
    fn show(&self, page: &mut Page) {
        if let Some(raw) = &self.raw {
            page.text(raw);
            return;
        }
        page.styled_line(Style::Strong, &format!("MESSAGE {}", self.location.id));
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "Verdict") {
            page.styled(Style::Faint, &format!("{name}: ")).line(value);
        }
        page.styled(Style::Faint, "Signature: ")
            .styled(verdict_style(&self.verdict), &verdict_words(Some(&self.verdict)));
        if let Some(fingerprint) = self.verdict.fingerprint {
            page.text(&format!(" (key {fingerprint})"));
        }
        page.end();
        if let Some(reason) = &self.reason {
            page.styled_line(Style::Bad, &format!("  {reason}"));
        }
        page.end().text(&self.text).end_line();
        if let Some(unsigned) = &self.unsigned_text {
            page.end().styled_line(Style::Caution, "Not signed, around the message:").indented(unsigned);
        }
        if !self.attachments.is_empty() {
            page.end().styled_line(Style::Strong, "Attachments");
            for Attached { name, path, size } in &self.attachments {
                let size = size.map_or_else(|| "missing".to_owned(), |size| text::count(size, "byte", "bytes"));
                page.line(&format!("  {} ({size})", path.as_deref().unwrap_or(name)));
            }
        }
        page.end().styled_line(Style::Faint, &self.path);
    }
}

impl Show for HeldOutcome {
    fn show(&self, page: &mut Page) {
        match self.done {
            "listed" if self.messages.is_empty() => {
                page.line("Nothing is held back.");
            }
            "listed" => {
                show_rows_by_day(&self.messages, page);
                page.line("`azall held release ID` moves one into the inbox, `azall held drop ID` throws it away.");
            }
            done => {
                for row in &self.messages {
                    page.line(&format!("{} {done}.", row.location.id));
                }
            }
        }
    }
}

impl Show for Found {
    fn show(&self, page: &mut Page) {
        if self.matches.is_empty() && self.left_out == 0 {
            page.line(&format!("No results for '{}'.", self.query));
            show_damaged(&self.damaged, page);
            return;
        }
        for found in &self.matches {
            page.styled(
                Style::Strong,
                &format!("{} {} {}", found.location.day, found.location.folder.name(), found.location.id),
            );
            page.line(&format!("  {} -> {}: {}", found.from, found.to, found.subject));
            page.line(&format!("    {}", found.excerpt));
        }
        page.line(&format!("{} found", self.matches.len()));
        if self.left_out > 0 {
            page.line(&format!("{} more left out by --limit", self.left_out));
        }
        show_damaged(&self.damaged, page);
    }
}

impl Show for Sent {
    fn show(&self, page: &mut Page) {
        page.styled(Style::Strong, &format!("Message {}", self.id)).line(&format!(": {}", self.subject));
        show_delivery(&self.delivery, page);
        page.styled_line(Style::Faint, &format!("  {}", self.path));
    }
}

/// What happened to a message, recipient by recipient.
pub(crate) fn show_delivery(delivery: &Delivery, page: &mut Page) {
    for recipient in &delivery.recipients {
        let (style, words) = match &recipient.state {
            RecipientState::Accepted { by } => (Style::Good, format!("accepted by {}", by.join(", "))),
            RecipientState::Queued { reason, next_try } => {
                let next = next_try.as_ref().map(|at| format!("; next try {at}")).unwrap_or_default();
                (Style::Caution, format!("queued: {reason}{next}"))
            }
            RecipientState::Failed { reason } => (Style::Bad, format!("failed: {reason}")),
        };
        page.styled(Style::Plain, &format!("  {}: ", recipient.address)).styled_line(style, &words);
    }
}
