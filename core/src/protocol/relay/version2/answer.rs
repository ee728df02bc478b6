//! Answers of version 2, and what its refusals mean.

use serde_json::{Map, Value};

use super::super::answer::{self, LONGEST_REFUSAL, line};
use super::super::{Call, RelayError, Reply, ServerUrl};

/// What became of one message for one recipient.
pub type Receipt = Result<String, RelayError>;

/// Why a relay refuses, by its word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: String,
    /// The sentence.
    pub said: String,
}

impl Refusal {
    fn of(answer: &Map<String, Value>) -> Option<Self> {
        let code = answer.get("code").and_then(Value::as_str)?;
        let said = answer.get("error").and_then(Value::as_str).unwrap_or(code);
        Some(Self { code: line(code, 40), said: line(said, 200) })
    }
}

/// The JSON object of a good answer.
pub(super) fn object(server: &ServerUrl, reply: Reply<'_>) -> Result<Map<String, Value>, RelayError> {
    if (200..300).contains(&reply.status) {
        return answer::object(server, Call::Version2, reply);
    }
    Err(refused(server, reply))
}

/// What a status other than success means in version 2.
pub(super) fn refused(server: &ServerUrl, reply: Reply<'_>) -> RelayError {
    let body = Some(reply.body).filter(|body| body.len() <= LONGEST_REFUSAL);
    let body = body.and_then(|body| serde_json::from_slice::<Map<String, Value>>(body).ok());
    let status = reply.status;
    let server = server.clone();
    let Some(Refusal { code, said }) = body.as_ref().and_then(Refusal::of) else {
        return match status {
            404 | 405 => RelayError::NotVersion2 { server },
            _ => answer::refusal(&server, Call::Version2, reply),
        };
    };
    match (status, code.as_str()) {
        (409, "name_taken") => RelayError::NameTaken { server, said },
        (400, "bad_name") => RelayError::BadName { server, said },
        (404, "no_such_agent") => RelayError::UnknownRecipient { server, said },
        (507, "quota") => RelayError::QuotaFull { server, said },
        (409, "busy") => RelayError::Busy { server, retry_after_ms: None, said },
        (403, _) => RelayError::Refused { server, status, said },
        _ => answer::refusal(&server, Call::Version2, reply),
    }
}

/// The answer to [`send_batch`](super::send_batch) of messages to so many recipients each: for each message, what became
/// of it for each of its recipients.
///
/// # Errors
/// [`RelayError`], for all of them; also when the answer is not about just these messages and recipients.
pub fn parse_sent_batch(
    server: &ServerUrl,
    recipients: &[usize],
    reply: Reply<'_>,
) -> Result<Vec<Vec<Receipt>>, RelayError> {
    let answer = object(server, reply)?;
    let wrong = || RelayError::WrongShape {
        server: server.clone(),
        what: "it does not say what became of each message".to_owned(),
    };
    let messages = answer.get("messages").and_then(Value::as_array).ok_or_else(wrong)?;
    if messages.len() != recipients.len() {
        return Err(wrong());
    }
    let mut receipts = Vec::with_capacity(messages.len());
    for (message, count) in messages.iter().zip(recipients) {
        let of = message.get("recipients").and_then(Value::as_array).filter(|of| of.len() == *count);
        let of = of.ok_or_else(wrong)?.iter().map(|recipient| recipient.as_object().and_then(|it| receipt(server, it)));
        receipts.push(of.collect::<Option<Vec<Receipt>>>().ok_or_else(wrong)?);
    }
    Ok(receipts)
}

/// What became of a message for a recipient. A code that is not known yet may be no reason to give up.
fn receipt(server: &ServerUrl, recipient: &Map<String, Value>) -> Option<Receipt> {
    match recipient.get("status").and_then(Value::as_str)? {
        "sent" => Some(Ok(line(recipient.get("message_id").and_then(Value::as_str).unwrap_or_default(), 200))),
        "refused" => {
            let Refusal { code, said } = Refusal::of(recipient)?;
            let server = server.clone();
            Some(Err(match code.as_str() {
                "no_such_agent" => RelayError::UnknownRecipient { server, said },
                "too_large" => RelayError::TooLarge { server, said },
                "inbox_full" => RelayError::InboxFull { server, said },
                "bad_address" => RelayError::Refused { server, status: 400, said },
                _ => RelayError::ServerFault { server, status: 200, said },
            }))
        }
        _ => None,
    }
}

/// The answer to [`ack`](super::ack): how many messages are deleted now.
///
/// # Errors
/// [`RelayError`].
pub fn parse_acked(server: &ServerUrl, reply: Reply<'_>) -> Result<u64, RelayError> {
    let deleted = object(server, reply)?.get("deleted").and_then(Value::as_u64);
    let wrong =
        || RelayError::WrongShape { server: server.clone(), what: "it does not say what is deleted".to_owned() };
    deleted.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::relay::testing::{reply, server};

    #[test]
    fn each_recipient_has_its_own_answer() {
        let body = r#"{"messages": [{"recipients": [{"to": "bob", "status": "sent", "message_id": "1_a_9f"},
            {"to": "x", "status": "refused", "code": "no_such_agent", "error": "no x"}]},
            {"recipients": [{"status": "refused", "code": "inbox_full"}]}]}"#;
        let receipts = parse_sent_batch(&server(), &[2, 1], reply(200, body)).unwrap();
        assert_eq!(receipts[0][0], Ok("1_a_9f".to_owned()));
        assert!(receipts[0][1].as_ref().is_err_and(RelayError::is_permanent));
        assert!(matches!(&receipts[1][0], Err(RelayError::InboxFull { said, .. }) if said == "inbox_full"));
        for counts in [&[2][..], &[1, 1], &[2, 2], &[2, 1, 0], &[]] {
            assert!(parse_sent_batch(&server(), counts, reply(200, body)).is_err(), "{counts:?}");
        }
        for (code, permanent) in [("too_large", true), ("bad_address", true), ("inbox_full", false), ("later", false)] {
            let body = format!(r#"{{"messages": [{{"recipients": [{{"status": "refused", "code": "{code}"}}]}}]}}"#);
            let receipts = parse_sent_batch(&server(), &[1], reply(200, &body)).unwrap();
            assert_eq!(receipts[0][0].as_ref().unwrap_err().is_permanent(), permanent, "{code}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        let of = |status, body: &str| parse_acked(&server(), reply(status, body)).unwrap_err();
        for body in ["", "<html>", r#"{"error": "not found"}"#, r#"{"error": "x", "code": 5}"#] {
            assert!(matches!(of(404, body), RelayError::NotVersion2 { .. }), "{body}");
        }
        let coded = |status, code: &str| of(status, &format!(r#"{{"error": "said", "code": "{code}"}}"#));
        assert!(matches!(coded(404, "no_such_blob"), RelayError::Refused { .. }));
        assert!(matches!(coded(404, "no_such_agent"), RelayError::UnknownRecipient { .. }));
        assert!(matches!(coded(409, "busy"), RelayError::Busy { .. }));
        assert!(matches!(coded(507, "quota"), RelayError::QuotaFull { .. }));
        assert!(matches!(coded(401, "unauthorized"), RelayError::Unauthorized { .. }));
        assert!(matches!(coded(413, "too_large"), RelayError::TooLarge { .. }));
        assert!(matches!(of(503, "x"), RelayError::Busy { .. }));
        assert_eq!(parse_acked(&server(), reply(200, r#"{"deleted": 3}"#)), Ok(3));
        assert!(parse_acked(&server(), reply(200, "{}")).is_err());
    }

    proptest! {
        #[test]
        fn any_answer_is_safe(status in 100_u16..600, body in "(\\{\"messages\": ?\\[)?[\\[\\]{}\",:a1 é]{0,60}", counts in prop::collection::vec(0_usize..3, 0..3)) {
            let _ = parse_sent_batch(&server(), &counts, reply(status, &body));
            let _ = parse_acked(&server(), reply(status, &body));
        }

        #[test]
        fn a_changed_answer_is_about_these_messages_or_none(at in any::<prop::sample::Index>(), to: u8) {
            let mut body = br#"{"messages":[{"recipients":[{"to":"bob","status":"sent","message_id":"1"},{"status":"refused","code":"x"}]}]}"#.to_vec();
            *at.get_mut(&mut body) = to;
            if let Ok(receipts) = parse_sent_batch(&server(), &[2], Reply { status: 200, headers: &[], body: &body }) {
                prop_assert_eq!(receipts.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
            }
        }
    }
}
