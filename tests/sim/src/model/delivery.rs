//! Every message is exactly where it belongs, exactly once.

use std::collections::BTreeMap;

use azall_core::protocol::delivery::State;

use super::files::{Contents, Filed};
use super::{Asked, Log, Mailbox};

pub(super) fn check(mailboxes: &[Mailbox], contents: &[Contents], log: &Log, wrong: &mut Vec<String>) {
    let asked: BTreeMap<&str, &Asked> = log.asked.iter().map(|asked| (asked.marker.as_str(), asked)).collect();
    let mut outgoing: BTreeMap<&str, (usize, &Filed)> = BTreeMap::new();
    for (sender, contents) in contents.iter().enumerate() {
        for filed in contents.filed.iter().filter(|filed| !filed.is_incoming() && !filed.marker.is_empty()) {
            if let Some((_, other)) = outgoing.insert(&filed.marker, (sender, filed)) {
                wrong.push(format!("{} lies in {} and in {}", filed.marker, other.path, filed.path));
            }
        }
    }
    for asked in log.asked.iter().filter(|asked| asked.acknowledged && !outgoing.contains_key(asked.marker.as_str())) {
        wrong.push(format!("{}: {} was acknowledged and is gone", mailboxes[asked.from].address, asked.marker));
    }
    let incoming = incoming(mailboxes, contents, &outgoing, &asked, log, wrong);
    for (marker, (sender, filed)) in &outgoing {
        let Some(asked) = asked.get(marker) else { continue };
        if !has_attachments(filed, asked) {
            wrong.push(format!("{}: the attachments of {marker} are not those that were given", filed.path));
        }
        let case = Case { mailboxes, contents: &contents[*sender], log, incoming: &incoming, asked, filed };
        case.check(wrong);
    }
}

/// By marker and mailbox: how often a message is there.
type Incoming<'a> = BTreeMap<(&'a str, usize), Vec<&'a Filed>>;

fn incoming<'a>(
    mailboxes: &[Mailbox],
    contents: &'a [Contents],
    outgoing: &BTreeMap<&str, (usize, &Filed)>,
    asked: &BTreeMap<&str, &Asked>,
    log: &Log,
    wrong: &mut Vec<String>,
) -> Incoming<'a> {
    let mut incoming = Incoming::new();
    for (recipient, contents) in contents.iter().enumerate() {
        let address = &mailboxes[recipient].address;
        for filed in contents.filed.iter().filter(|filed| filed.is_incoming() && !filed.marker.is_empty()) {
            incoming.entry((&filed.marker, recipient)).or_default().push(filed);
            match outgoing.get(filed.marker.as_str()) {
                Some((_, sent)) if sent.to.contains(&address.to_lowercase()) => {}
                Some(_) => wrong.push(format!("{address}: {} was not for it", filed.marker)),
                None => {
                    wrong.push(format!("{address}: {} was delivered, and its sender does not know it", filed.marker))
                }
            }
            let is_excused = log.blobs_lost || !log.clock_set.is_empty();
            let is_right = |asked: &&Asked| has_attachments(filed, asked) || (is_excused && has_notices(filed, asked));
            if asked.get(filed.marker.as_str()).is_some_and(|asked| !is_right(asked)) {
                wrong.push(format!("{address}: the attachments of {} are not those that were sent", filed.marker));
            }
        }
    }
    for ((marker, recipient), filed) in &incoming {
        // What nobody has looked over yet, because a clock was set, was not compared with what is there.
        let may_be_unseen = log.clock_set.contains(&mailboxes[*recipient].disk);
        let is_whole = |filed: &&&Filed| asked.get(marker).is_none_or(|asked| has_attachments(filed, asked));
        if filed.iter().filter(|filed| filed.has_verdict || !may_be_unseen).filter(is_whole).count() < 2 {
            continue;
        }
        let places: Vec<&str> = filed.iter().map(|filed| filed.path.as_str()).collect();
        wrong.push(format!("{}: {marker} is there {} times: {places:?}", mailboxes[*recipient].address, filed.len()));
    }
    incoming
}

fn has_attachments(filed: &Filed, asked: &Asked) -> bool {
    asked.attachments.iter().all(|(name, bytes)| filed.attachments.get(name) == Some(bytes))
        && filed.attachments.len() == asked.attachments.len()
}

/// Whether each attachment is there, or a notice in its place.
fn has_notices(filed: &Filed, asked: &Asked) -> bool {
    let is_told = |(name, bytes): &(String, Vec<u8>)| match filed.attachments.get(name) {
        Some(found) => found == bytes,
        None => filed.attachments.contains_key(&format!("{name}.missing.txt")),
    };
    asked.attachments.iter().all(is_told) && filed.attachments.len() == asked.attachments.len()
}

/// One message that its sender has.
struct Case<'a> {
    mailboxes: &'a [Mailbox],
    contents: &'a Contents,
    log: &'a Log,
    incoming: &'a Incoming<'a>,
    asked: &'a Asked,
    filed: &'a Filed,
}

impl Case<'_> {
    fn check(&self, wrong: &mut Vec<String>) {
        let (marker, path) = (&self.filed.marker, &self.filed.path);
        let failed = match self.filed.folder.as_str() {
            "outbox" => {
                wrong.push(format!("{}: {marker} is stuck in {path}", self.mailboxes[self.asked.from].address));
                return;
            }
            "failed" => {
                let notice = format!("undelivered-{}", self.filed.stem);
                if !self.contents.filed.iter().any(|filed| filed.is_incoming() && filed.stem == notice) {
                    wrong.push(format!("{marker} was given up and there is no notice"));
                }
                self.failed_recipients()
            }
            _ => Vec::new(),
        };
        for recipient in &self.filed.to {
            let Some(mailbox) = self.mailboxes.iter().position(|mailbox| mailbox.address.to_lowercase() == *recipient)
            else {
                if !failed.contains(recipient) {
                    wrong.push(format!("{marker} counts as delivered to {recipient}, who does not exist"));
                }
                continue;
            };
            let is_there = self.incoming.contains_key(&(marker.as_str(), mailbox));
            if !is_there && !failed.contains(recipient) && !self.is_excused(mailbox) {
                wrong.push(format!("{recipient}: {marker} is in {path} of its sender and never arrived"));
            }
        }
    }

    /// The recipients that the sender was told it gave up.
    fn failed_recipients(&self) -> Vec<String> {
        let stem = self.filed.path.trim_end_matches(".txt");
        let states = self.contents.deliveries.get(stem).map(Vec::as_slice).unwrap_or_default();
        states.iter().filter(|(_, state)| *state == State::Failed).map(|(address, _)| address.clone()).collect()
    }

    fn is_excused(&self, mailbox: usize) -> bool {
        let key = (self.filed.marker.clone(), mailbox);
        let copies = self.log.copies.get(&key).copied().unwrap_or_default();
        let lost = self.log.lost.get(&key).copied().unwrap_or_default();
        (lost > 0 && lost >= copies) || self.log.dropped.contains(&key) || self.is_blocked(mailbox)
    }

    fn is_blocked(&self, mailbox: usize) -> bool {
        let sender = &self.mailboxes[self.asked.from].address;
        self.log.blocks.iter().any(|block| {
            block.mailbox == mailbox && block.until.is_none_or(|until| until > self.asked.at) && block.is_of(sender)
        })
    }
}
