//! Requests on their way: what the relay does, what the network does to it, and what is thereby lost.

use azall_core::engine::effect::{Answer, Http, HttpAnswer, IoError, IoErrorKind};

use crate::model::Log;
use crate::mutation::Mutation;
use crate::plan::What;
use crate::process::Fetched;
use crate::random::Random;
use crate::relay::{Effected, Relay, Waiting};

/// A request that takes effect when its client has given up.
pub(crate) struct Late {
    pub(crate) due_ms: i64,
    pub(crate) http: Http,
}

/// The relays and what is between them and the agents.
pub(crate) struct Network<'a> {
    pub(crate) relays: &'a mut [Relay],
    pub(crate) late: &'a mut Vec<Late>,
    pub(crate) log: &'a mut Log,
    pub(crate) random: &'a mut Random,
    pub(crate) now_ms: i64,
    /// The agents' addresses, by mailbox.
    pub(crate) addresses: &'a [String],
    /// The promise that is broken, in tests of the simulator itself.
    pub(crate) mutation: Option<Mutation>,
}

/// What comes back, and when.
pub(crate) struct Response {
    pub(crate) after_ms: i64,
    pub(crate) answer: Result<HttpAnswer, IoError>,
    pub(crate) fetched: Option<Fetched>,
}

impl Response {
    pub(crate) fn into_answer(self) -> (i64, Answer, Option<Fetched>) {
        (self.after_ms, Answer::Http(self.answer), self.fetched)
    }
}

fn failed(after_ms: i64, kind: IoErrorKind) -> Response {
    Response { after_ms, answer: Err(IoError::new(kind, "no answer")), fetched: None }
}

fn page(status: u16, body: &[u8]) -> Response {
    Response { after_ms: 20, answer: Ok(HttpAnswer::whole(status, Vec::new(), body.to_vec())), fetched: None }
}

impl Network<'_> {
    fn mailbox(&self, account: &str) -> Option<usize> {
        self.addresses.iter().position(|address| address.strip_suffix(".agenttalk").unwrap_or(address) == account)
    }

    /// Carries a request out, with a fault or without.
    pub(crate) fn carry(&mut self, http: &Http, fault: Option<&What>) -> Response {
        let timeout_ms = i64::try_from(http.timeout_ms).unwrap_or(i64::MAX);
        let token = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let token = token.and_then(|(_, value)| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
        match fault {
            Some(What::DropRequest) => return failed(50, IoErrorKind::Unreachable),
            Some(What::RequestTooLate(later_ms)) => {
                self.late.push(Late { due_ms: self.now_ms + timeout_ms + later_ms, http: http.clone() });
                return failed(timeout_ms, IoErrorKind::TimedOut);
            }
            Some(What::Refuse(status)) => return page(*status, br#"{"error": "not now"}"#),
            Some(What::Html) => return page(200, b"<html><body>Please log in to the network</body></html>"),
            Some(What::Garbage) => return page(200, b"\x00\xff\x1b[2J garbage"),
            Some(what @ (What::Double | What::Reorder)) => {
                let double = *what == What::Double;
                let relay = self.relays.iter_mut().find(|relay| http.url.starts_with(&relay.url));
                let touched = relay.and_then(|relay| relay.disturb(&token, double, self.random));
                if let Some((account, marker)) = touched.filter(|_| double)
                    && let Some(mailbox) = self.mailbox(&account)
                {
                    self.log.copied(&marker, mailbox);
                }
            }
            _ => {}
        }
        let Some(effected) = self.effect(http) else { return failed(5, IoErrorKind::Unreachable) };
        match fault {
            Some(What::DropAnswer) => {
                self.lose(&effected, 0);
                failed(60, IoErrorKind::Unreachable)
            }
            Some(What::AnswerTooLate) => {
                self.lose(&effected, 0);
                failed(timeout_ms, IoErrorKind::TimedOut)
            }
            Some(What::RefuseAfterEffect(status)) => {
                self.lose(&effected, 0);
                page(*status, b"<html>Bad gateway</html>")
            }
            Some(What::Half(share)) => self.half(effected, *share),
            Some(What::Delay(ms)) => Response { after_ms: (*ms).min(timeout_ms - 1), ..self.whole(effected) },
            _ => self.whole(effected),
        }
    }

    /// What a relay does; `None` when it is down or there is none.
    fn effect(&mut self, http: &Http) -> Option<Effected> {
        let now_ms = self.now_ms;
        let relay = self.relays.iter_mut().find(|relay| http.url.starts_with(&relay.url))?;
        if relay.down_until_ms > now_ms {
            return None;
        }
        let effected = relay.call(http, now_ms, self.random);
        if self.mutation == Some(Mutation::AckBeforeStore) && http.method == "GET" && http.url.contains("/v2/messages?")
        {
            relay.ack_unstored(http, &effected.answer);
        }
        for (account, marker) in &effected.taken {
            if let Some(mailbox) = self.mailbox(account) {
                self.log.copied(marker, mailbox);
            }
        }
        Some(effected)
    }

    /// Carries out what waited longer than its client.
    pub(crate) fn carry_late(&mut self, http: &Http) {
        if let Some(effected) = self.effect(http) {
            self.lose(&effected, 0);
        }
    }

    /// What was handed out from this message on is lost.
    fn lose(&mut self, effected: &Effected, from: usize) {
        if let Some((account, messages)) = &effected.handed_out
            && let Some(mailbox) = self.mailbox(account)
        {
            for message in messages.iter().skip(from) {
                self.log.lose(&message.marker, mailbox);
            }
        }
    }

    fn whole(&self, effected: Effected) -> Response {
        let fetched = self.fetched(&effected, usize::MAX);
        Response { after_ms: 10, answer: Ok(effected.answer), fetched }
    }

    fn half(&mut self, mut effected: Effected, share: u8) -> Response {
        let body = &mut effected.answer.body;
        body.truncate(body.len() * usize::from(share) / 256);
        let whole =
            effected.handed_out.as_ref().map_or(0, |(_, messages)| whole_messages(&effected.answer.body, messages));
        self.lose(&effected, whole);
        let fetched = self.fetched(&effected, whole);
        // The end of what came is the end of the answer, or the connection broke there.
        let broken = (share % 2 == 1).then(|| IoError::new(IoErrorKind::Unreachable, "the connection broke"));
        let answer = match broken {
            Some(error) if effected.answer.body.is_empty() => Err(error),
            broken => Ok(HttpAnswer { broken, ..effected.answer }),
        };
        Response { after_ms: 10, answer, fetched }
    }

    fn fetched(&self, effected: &Effected, whole: usize) -> Option<Fetched> {
        let (account, messages) = effected.handed_out.as_ref()?;
        let markers: Vec<String> = messages.iter().take(whole).map(|message| message.marker.clone()).collect();
        let mailbox = self.mailbox(account)?;
        (!markers.is_empty()).then(|| Fetched { mailbox, markers, body: effected.answer.body.clone() })
    }
}

/// How many of the messages stand in the body to their last byte.
fn whole_messages(body: &[u8], messages: &[Waiting]) -> usize {
    let text = String::from_utf8_lossy(body);
    let mut rest: &str = &text;
    let mut count = 0;
    for message in messages {
        let json = message.json.to_string();
        let Some(at) = rest.find(&json) else { break };
        rest = &rest[at + json.len()..];
        count += 1;
    }
    count
}
