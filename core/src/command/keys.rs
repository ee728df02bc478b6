//! `crypto-identity`, `keyring`, `sign`, `verify`: this agent's key, its peers' keys, and signatures on any text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::engine::lock;
use crate::protocol::envelope::{self, DocumentedHeaders, Opened, Proof};
use crate::protocol::id::Fingerprint;
use crate::protocol::keyring::{Entry, Keyring};
use crate::protocol::message::{Headers, Message};
use crate::protocol::text;

use super::error::Error;
use super::session::Session;
use crate::protocol::address::Address;

/// Shows this agent's key pair, making it if need be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CryptoIdentity {}

/// This agent's public key.
#[derive(Debug, Serialize)]
pub struct CryptoIdentityOutcome {
    /// The agent.
    pub agent: String,
    /// The fingerprint.
    pub fingerprint: Fingerprint,
    /// The public key, base64.
    pub public_key: String,
    /// The key file.
    pub key_file: String,
}

/// Shows this agent's key pair.
///
/// # Errors
/// A key file that is damaged.
pub async fn crypto_identity(session: &mut Session, _: CryptoIdentity) -> Result<CryptoIdentityOutcome, Error> {
    session.enter().await?;
    let identity = session.identity().await?;
    Ok(CryptoIdentityOutcome {
        agent: session.address().to_string(),
        fingerprint: identity.fingerprint(),
        public_key: identity.public_key_b64(),
        key_file: session.shown(&session.home.identity_key()),
    })
}

/// What to do with the keyring.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum KeyringCommand {
    /// List all keys.
    List,
    /// Show one.
    Show(Fingerprint),
    /// Accept one for the addresses it was seen with: settles a changed key.
    Trust(Fingerprint),
    /// Forget one.
    Forget(Fingerprint),
}

/// A peer's key.
#[derive(Debug, Serialize)]
pub struct PeerKey {
    /// The fingerprint.
    pub fingerprint: Fingerprint,
    /// The public key, base64.
    pub public_key: String,
    /// The addresses it was seen with.
    pub addresses: Vec<String>,
    /// When it was seen first, local time.
    pub first_seen: String,
    /// When it was seen last, local time.
    pub last_seen: String,
    /// Whether it has proven headers before.
    pub envelope2: bool,
    /// Whether it was accepted by `keyring trust`.
    pub trusted: bool,
}

impl PeerKey {
    fn of(fingerprint: &Fingerprint, entry: &Entry) -> Self {
        Self {
            fingerprint: *fingerprint,
            public_key: STANDARD.encode(entry.public_key()),
            addresses: entry.addresses().to_vec(),
            first_seen: entry.first_seen().to_owned(),
            last_seen: entry.last_seen().to_owned(),
            envelope2: entry.used_envelope2(),
            trusted: entry.is_trusted(),
        }
    }
}

/// Keys of the keyring.
#[derive(Debug, Serialize)]
pub struct KeyringOutcome {
    /// `listed`, `shown`, `trusted` or `forgotten`.
    pub done: &'static str,
    /// The keys concerned.
    pub keys: Vec<PeerKey>,
}

/// A key that is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no key {fingerprint} in the keyring; `azall keyring list` shows those that are")]
pub struct NoSuchKey {
    /// The fingerprint.
    pub fingerprint: Fingerprint,
}

/// Lists, shows, trusts or forgets keys of peers.
///
/// # Errors
/// [`NoSuchKey`].
pub async fn keyring(session: &mut Session, command: KeyringCommand) -> Result<KeyringOutcome, Error> {
    session.enter().await?;
    let mailbox = session.mailbox();
    let (fingerprint, done) = match &command {
        KeyringCommand::List => {
            let keys = mailbox.keyring().await?.entries().map(|(name, entry)| PeerKey::of(name, entry)).collect();
            return Ok(KeyringOutcome { done: "listed", keys });
        }
        KeyringCommand::Show(fingerprint) => (*fingerprint, "shown"),
        KeyringCommand::Trust(fingerprint) => (*fingerprint, "trusted"),
        KeyringCommand::Forget(fingerprint) => (*fingerprint, "forgotten"),
    };
    lock::locked(mailbox.cx, &mailbox.home.lock(), async {
        let mut keyring = mailbox.keyring().await?;
        let entry = keyring.entry(&fingerprint).ok_or(NoSuchKey { fingerprint })?;
        let before = PeerKey::of(&fingerprint, entry);
        let key = change(&mut keyring, &command, fingerprint).unwrap_or(before);
        if keyring.is_dirty() {
            mailbox.cx.write_private(&mailbox.home.keyring(), keyring.to_json()).await?;
        }
        Ok(KeyringOutcome { done, keys: vec![key] })
    })
    .await
}

/// The key as it is afterwards, if it is still there.
fn change(keyring: &mut Keyring, command: &KeyringCommand, fingerprint: Fingerprint) -> Option<PeerKey> {
    match command {
        KeyringCommand::Trust(_) => {
            keyring.trust(&fingerprint);
        }
        KeyringCommand::Forget(_) => {
            keyring.forget(&fingerprint);
        }
        KeyringCommand::List | KeyringCommand::Show(_) => {}
    }
    keyring.entry(&fingerprint).map(|entry| PeerKey::of(&fingerprint, entry))
}

/// How a text is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum SignFormat {
    /// The envelope around the text alone (version 1), for any reader.
    Envelope,
    /// The form that the project page documents.
    Documented,
}

/// Signs a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// The text.
    pub text: String,
    /// How.
    pub format: SignFormat,
}

/// A signed text.
#[derive(Debug, Serialize)]
pub struct Signed {
    /// The text in its envelope.
    pub signed: String,
    /// The key.
    pub fingerprint: Fingerprint,
}

/// Signs a text with this agent's key. The documented form has headers: a text that begins with some of `To`, `Subject` and `Date` and
/// an empty line brings its own; else it is from this agent to itself, now.
///
/// # Errors
/// A text that cannot be signed in this form.
pub async fn sign(session: &mut Session, sign: Sign) -> Result<Signed, Error> {
    session.enter().await?;
    let identity = session.identity().await?;
    let signed = match sign.format {
        SignFormat::Envelope => envelope::seal_version1(&identity, &sign.text),
        SignFormat::Documented => {
            let (headers, body) = documented_headers(session, &sign.text);
            envelope::seal_documented(&identity, &headers, body)?
        }
    };
    Ok(Signed { signed, fingerprint: identity.fingerprint() })
}

/// The headers for the documented form, and the text without those that it began with.
fn documented_headers<'a>(session: &Session, whole: &'a str) -> (DocumentedHeaders, &'a str) {
    let mut headers = DocumentedHeaders {
        from: session.address().clone(),
        to: vec![session.address().clone()],
        date: session.cx.now().utc_iso(),
        subject: String::new(),
    };
    let own = headers.clone();
    let mut rest = whole;
    while let Some((line, after)) = rest.split_once('\n') {
        let line = line.trim_end_matches('\r');
        if line.is_empty() && headers != own {
            return (headers, after);
        }
        let Some((name, value)) = line.split_once(':').map(|(name, value)| (name, text::strip(value))) else { break };
        match (name, Address::parse_list(value)) {
            ("To", Ok(to)) if !to.is_empty() => headers.to = to,
            ("Subject", _) => headers.subject = value.to_owned(),
            ("Date", _) => headers.date = value.to_owned(),
            // A text that says that it is somebody else's is signed as a text.
            ("From", Ok(from)) if from.iter().all(|from| from.same_as(&own.from)) => {}
            _ => break,
        }
        rest = after;
    }
    (own, whole)
}

/// Verifies a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The text: a message file, or any text with an envelope in it.
    pub text: String,
}

/// What a signature proves.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// `valid`, `body-only`, `invalid`, `unknown-key` or `unsigned`.
    pub verdict: &'static str,
    /// The key, where one is stated.
    pub fingerprint: Option<Fingerprint>,
    /// Why it is not valid.
    pub reason: Option<String>,
    /// Addresses that this key was seen with here.
    pub addresses: Vec<String>,
    /// The signed headers, where headers are signed.
    pub headers: Vec<(String, String)>,
    /// The signed text; absent when nothing is proven.
    pub text: Option<String>,
}

impl Verified {
    /// 0 when a signature holds (of the whole, or of the text), 1 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(!matches!(self.verdict, "valid" | "body-only"))
    }
}

/// Verifies a text with the keys that it brings, or that the keyring holds.
///
/// # Errors
/// When the keyring cannot be read.
pub async fn verify(session: &mut Session, verify: Verify) -> Result<Verified, Error> {
    session.enter().await?;
    let keyring = session.mailbox().keyring().await?;
    let own = session.identity().await?;
    let lookup = |fingerprint: &Fingerprint| {
        if *fingerprint == own.fingerprint() { Some(own.public_key()) } else { keyring.lookup(fingerprint) }
    };
    // A message file brings headers, which a legacy signature and envelope 2 speak of; any other text has none.
    let message = Message::from_text(&verify.text);
    let is_file = message.headers.value("Message-ID").is_some();
    let none = Headers::default();
    let (headers, body) = if is_file { (&message.headers, &message.body) } else { (&none, &verify.text) };
    let opened = Opened::read(headers, body);
    let checked = opened.check(lookup);
    let proof = if is_file { opened.at_rest(checked, headers) } else { checked };
    let reason = match &proof {
        Proof::Valid | Proof::BodyOnly => None,
        Proof::Invalid(reason) => Some(reason.to_string()),
        Proof::UnknownKey(_) => Some("the key is not in the keyring, and the text does not bring it".to_owned()),
        Proof::Unsigned => Some("there is no signature in it".to_owned()),
    };
    let proven = matches!(proof, Proof::Valid | Proof::BodyOnly);
    let fingerprint = opened.fingerprint();
    let addresses =
        fingerprint.and_then(|fingerprint| keyring.entry(&fingerprint)).map(|entry| entry.addresses().to_vec());
    let signed = opened.signed_headers().filter(|_| proof == Proof::Valid);
    Ok(Verified {
        verdict: proof.origin().word(),
        fingerprint,
        reason,
        addresses: addresses.unwrap_or_default(),
        headers: signed
            .map(|signed| {
                let mut headers = Headers::default();
                signed.apply(&mut headers);
                headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
            })
            .unwrap_or_default(),
        text: proven.then(|| text::normalize_newlines(opened.text()).into_owned()),
    })
}
