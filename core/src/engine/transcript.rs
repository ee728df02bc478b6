//! Record and replay: what an operation asked, was answered and said, as lines of JSON, with secrets masked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::effect::{Answer, Effect};
use super::error::{Error, ResumeError};
use super::event::Event;
use super::op::{EffectId, Op, Output};
use crate::protocol::time::Now;

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The operation was polled at this moment; the steps up to the next poll or answer are what it put out.
    Poll(Now),
    /// It asked for an effect.
    Effect(EffectId, Effect),
    /// It told something.
    Event(Event),
    /// It waits.
    Wait(Option<i64>),
    /// It was answered.
    Answer(EffectId, Answer),
    /// It was asked to stop.
    Cancel,
    /// It is done; whether well.
    Done {
        /// Whether it ended without an error.
        ok: bool,
    },
}

/// A recorded run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// How strictly a replay compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Every effect is equal, byte for byte.
    Exact,
    /// Contents may differ, since a masked transcript gives the operation stand-ins for its secrets: kinds, ids, places,
    /// methods and URLs are equal.
    Shape,
}

/// Where a replay went another way.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Divergence {
    /// The operation put out something else.
    #[error("step {step}: the transcript has {expected}, the operation did {got}")]
    Output {
        /// Index of the step.
        step: usize,
        /// What the transcript has.
        expected: String,
        /// What came.
        got: String,
    },
    /// An answer was not taken.
    #[error("step {step}: {source}")]
    Answer {
        /// Index of the step.
        step: usize,
        /// Why.
        source: ResumeError,
    },
}

/// An operation whose run is recorded: drive it in place of the [`Op`] itself.
#[derive(Debug)]
pub struct Recorder<T, E> {
    op: Op<T, E>,
    transcript: Transcript,
}

impl<T, E: From<Error>> Recorder<T, E> {
    /// Records `op` from here on.
    #[must_use]
    pub fn new(op: Op<T, E>) -> Self {
        Self { op, transcript: Transcript::default() }
    }

    /// As [`Op::poll`].
    pub fn poll(&mut self, now: Now) -> Output<T, E> {
        let output = self.op.poll(now);
        self.transcript.steps.push(Step::Poll(now));
        self.transcript.steps.push(step_of(&output));
        output
    }

    /// As [`Op::resume`].
    ///
    /// # Errors
    /// As [`Op::resume`]; an answer that was not taken is not recorded.
    pub fn resume(&mut self, id: EffectId, answer: Answer) -> Result<(), ResumeError> {
        self.op.resume(id, answer.clone())?;
        self.transcript.steps.push(Step::Answer(id, answer));
        Ok(())
    }

    /// As [`Op::cancel`].
    pub fn cancel(&mut self) {
        self.op.cancel();
        self.transcript.steps.push(Step::Cancel);
    }

    /// What was recorded, with every secret replaced by a stand-in of the same length.
    #[must_use]
    pub fn into_transcript(self) -> Transcript {
        self.transcript.masked()
    }

    /// What was recorded, as it is: only for a run whose secrets are a test's own.
    #[must_use]
    pub fn into_unmasked(self) -> Transcript {
        self.transcript
    }
}

fn step_of<T, E>(output: &Output<T, E>) -> Step {
    match output {
        Output::Effect(id, effect) => Step::Effect(*id, effect.clone()),
        Output::Event(event) => Step::Event(event.clone()),
        Output::Wait(deadline) => Step::Wait(*deadline),
        Output::Done(result) => Step::Done { ok: result.is_ok() },
    }
}

/// Why a text is no transcript.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the transcript: {source}")]
pub struct TranscriptError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub source: serde_json::Error,
}

impl Transcript {
    /// One JSON document per line.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.steps.iter().filter_map(|step| serde_json::to_string(step).ok()).map(|line| line + "\n").collect()
    }

    /// Reads what [`Transcript::to_text`] wrote.
    ///
    /// # Errors
    /// The first line that is no step.
    pub fn parse(text: &str) -> Result<Self, TranscriptError> {
        let steps = text
            .lines()
            .enumerate()
            .map(|(at, line)| serde_json::from_str(line).map_err(|source| TranscriptError { line: at + 1, source }))
            .collect::<Result<_, _>>()?;
        Ok(Self { steps })
    }

    /// Drives `op` with the recorded times and answers and compares what it does.
    ///
    /// # Errors
    /// The first step at which it went another way.
    pub fn replay<T, E: From<Error>>(&self, mut op: Op<T, E>, compare: Compare) -> Result<(), Divergence> {
        let mut now = Now::utc(0);
        for (step, recorded) in self.steps.iter().enumerate() {
            match recorded {
                Step::Poll(at) => now = *at,
                Step::Cancel => op.cancel(),
                Step::Answer(id, answer) => {
                    op.resume(*id, answer.clone()).map_err(|source| Divergence::Answer { step, source })?;
                }
                expected => {
                    let got = step_of(&op.poll(now));
                    if !same(expected, &got, compare) {
                        let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
                        return Err(Divergence::Output { step, expected, got });
                    }
                }
            }
        }
        Ok(())
    }

    /// This transcript with every secret replaced, wherever it stands, by a stand-in of the same length: values of secret
    /// keys in JSON that was read, written, sent or received, and bearer tokens.
    #[must_use]
    pub fn masked(&self) -> Self {
        let mut secrets = BTreeSet::new();
        for step in &self.steps {
            collect_secrets(step, &mut secrets);
        }
        // Longest first, so that a secret that contains another is replaced whole.
        let mut ordered: Vec<String> = secrets.into_iter().filter(|secret| secret.len() >= 4).collect();
        ordered.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let masks: Vec<(String, String)> =
            ordered.into_iter().map(|secret| (secret.clone(), stand_in(&secret))).collect();
        Self { steps: self.steps.iter().map(|step| mask_step(step, &masks)).collect() }
    }
}

fn same(expected: &Step, got: &Step, compare: Compare) -> bool {
    match (compare, expected, got) {
        (Compare::Shape, Step::Effect(a_id, a), Step::Effect(b_id, b)) => a_id == b_id && shape(a) == shape(b),
        (Compare::Shape, Step::Event(_), Step::Event(_)) => true,
        _ => expected == got,
    }
}

/// What of an effect does not depend on a secret.
fn shape(effect: &Effect) -> String {
    match effect {
        Effect::Http(http) => format!("Http {} {}", http.method, http.url),
        Effect::WriteAtomic(write) => format!("WriteAtomic {} {} {}", write.place, write.private, write.exclusive),
        Effect::Append(append) => format!("Append {} {}", append.place, append.private),
        other => format!("{other:?}"),
    }
}

/// Keys of JSON objects whose values are secret, in our files and on the wire.
const SECRET_KEYS: [&str; 9] = [
    "private_key_hex",
    "agent_key",
    "key",
    "token",
    "api_token",
    "password",
    "owner_auth_key",
    "secret",
    "owner_secret",
];

fn collect_secrets(step: &Step, secrets: &mut BTreeSet<String>) {
    match step {
        Step::Effect(_, Effect::Http(http)) => {
            for (_, value) in http.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
                secrets.insert(value.split_once(' ').map_or(value.as_str(), |(_, token)| token).to_owned());
            }
            collect_json(&http.body, secrets);
        }
        Step::Effect(_, Effect::WriteAtomic(write)) => collect_json(&write.bytes, secrets),
        Step::Effect(_, Effect::Append(append)) => collect_json(&append.bytes, secrets),
        Step::Answer(_, Answer::ReadFile(Ok(bytes))) => collect_json(bytes, secrets),
        Step::Answer(_, Answer::Http(Ok(answer))) => collect_json(&answer.body, secrets),
        _ => {}
    }
}

fn collect_json(bytes: &[u8], secrets: &mut BTreeSet<String>) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let mut pending = vec![&value];
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    match inner {
                        Value::String(text) if SECRET_KEYS.contains(&key.as_str()) => {
                            secrets.insert(text.clone());
                        }
                        _ => pending.push(inner),
                    }
                }
            }
            Value::Array(items) => pending.extend(items),
            _ => {}
        }
    }
}

/// Same length, still hex where the secret was hex (and a valid key then), recognisably no secret.
fn stand_in(secret: &str) -> String {
    let is_hex = secret.bytes().all(|b| b.is_ascii_hexdigit());
    secret.chars().map(|_| if is_hex { '0' } else { 'x' }).collect()
}

fn mask_step(step: &Step, masks: &[(String, String)]) -> Step {
    let mut step = step.clone();
    match &mut step {
        Step::Effect(_, Effect::Http(http)) => {
            mask_bytes(&mut http.body, masks);
            for (_, value) in &mut http.headers {
                mask_text(value, masks);
            }
        }
        Step::Effect(_, Effect::WriteAtomic(write)) => mask_bytes(&mut write.bytes, masks),
        Step::Effect(_, Effect::Append(append)) => mask_bytes(&mut append.bytes, masks),
        Step::Answer(_, Answer::ReadFile(Ok(bytes)) | Answer::Random(Ok(bytes))) => mask_bytes(bytes, masks),
        Step::Answer(_, Answer::Http(Ok(answer))) => mask_bytes(&mut answer.body, masks),
        Step::Event(event) => mask_text(&mut event.text, masks),
        _ => {}
    }
    step
}

fn mask_bytes(bytes: &mut Vec<u8>, masks: &[(String, String)]) {
    // A secret that was drawn as raw bytes (a key's seed) appears later as hex.
    if !bytes.is_empty() && masks.iter().any(|(secret, _)| *secret == crate::protocol::text::hex(bytes)) {
        bytes.fill(0);
        return;
    }
    for (secret, mask) in masks {
        if memchr::memmem::find(bytes, secret.as_bytes()).is_some()
            && let Ok(mut text) = String::from_utf8(std::mem::take(bytes)).map_err(|e| *bytes = e.into_bytes())
        {
            text = text.replace(secret, mask);
            *bytes = text.into_bytes();
        }
    }
}

fn mask_text(text: &mut String, masks: &[(String, String)]) {
    for (secret, mask) in masks {
        if text.contains(secret) {
            *text = text.replace(secret, mask);
        }
    }
}

/// Bytes in serialized effects, answers and commands: as they are where the format has bytes, as base64 where it is text.
pub mod bytes {
    use std::fmt;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes bytes.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    /// Reads bytes, or base64 text.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_any(Bytes)
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            STANDARD.decode(text).map_err(E::custom)
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
            Ok(bytes)
        }
    }
}

/// [`bytes`], or the error that came in their place.
pub mod bytes_or_error {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::engine::effect::IoError;

    #[derive(Serialize)]
    #[serde(transparent)]
    struct Written<'a>(#[serde(with = "super::bytes")] &'a [u8]);

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Read(#[serde(with = "super::bytes")] Vec<u8>);

    /// Writes bytes or an error.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(answer: &Result<Vec<u8>, IoError>, serializer: S) -> Result<S::Ok, S::Error> {
        answer.as_ref().map(|bytes| Written(bytes)).serialize(serializer)
    }

    /// Reads bytes or an error.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Result<Vec<u8>, IoError>, D::Error> {
        Ok(Result::<Read, IoError>::deserialize(deserializer)?.map(|read| read.0))
    }
}
