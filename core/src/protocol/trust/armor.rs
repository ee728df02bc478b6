//! The token as people see and paste it: a frame of box-drawing characters, 68 wide (PROTOCOL section 5).

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::token::Token;
use crate::protocol::text;
use crate::protocol::time::Now;

/// Characters between the two sides of the frame.
const INNER: usize = 66;
/// Characters of base64 in a line.
const LINE: usize = 60;
/// The fewest characters of raw base64 that are taken for a token.
const SHORTEST_RAW: usize = 100;

/// Base64 whose `=` at the end may have been lost in a paste.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text holds no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// Neither a PAYLOAD rule with base64 below it, nor 100 characters of base64.
    #[error("No payload found in trust token.")]
    NoPayload,
    /// The payload is there but was changed: a character is missing, or one that base64 does not know came in.
    #[error("The payload of the trust token is not base64; copy it once more, whole.")]
    NotBase64,
}

/// The armor of a token. `machine_name` is shown only; what could harm a terminal is taken out of it.
#[must_use]
pub fn format(token: &Token, machine_name: &str) -> String {
    let machine_name = text::for_terminal_line(machine_name);
    let moment = |seconds: u64| Now::utc(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)).utc_iso();
    let mut out = format!("╔{}╗\n", "═".repeat(INNER));
    let mut row = |content: &str| out.push_str(&format!("║{content:<INNER$}║\n"));
    row("");
    row("                       AGENTAZALL TRUST TOKEN");
    row("");
    row(&format!("  Agent:     {}", token.agent()));
    row(&format!("  Machine:   {machine_name}"));
    row(&format!("  Generated: {}", moment(token.created())));
    row(&format!("  Expires:   {}", moment(token.expires())));
    row(&format!("  Entropy:   256 bits, {} bytes payload", token.as_bytes().len()));
    row("");
    row(&format!("  {0} PAYLOAD {0}", "═".repeat(20)));
    let payload = Zeroizing::new(token.to_base64());
    for line in payload.as_bytes().chunks(LINE) {
        row(&format!("    {}", String::from_utf8_lossy(line)));
    }
    row("");
    row(&format!("  {0} SIGNATURE {0}", "═".repeat(19)));
    row(&format!("    {}", token.signature_hex()));
    row("");
    row("  DO NOT SHARE. SINGLE USE. EXPIRES IN 10 MINUTES.");
    row("");
    out.push_str(&format!("╚{}╝", "═".repeat(INNER)));
    out
}

/// The bytes of the token in `text`: an armor, with text around it, indented, quoted with `>` or with its frame lost;
/// or raw base64, with white space anywhere. What the SIGNATURE rule says is not looked at: the token's own last
/// bytes are its signature. Linear in the length of the text.
///
/// # Errors
/// [`ArmorError`] when there is no token.
pub fn parse(text: &str) -> Result<Zeroizing<Vec<u8>>, ArmorError> {
    let mut lines = text.split(['\n', '\r']).map(unframe);
    let payload: Zeroizing<String> = if lines.any(|line| is_rule(line, "PAYLOAD")) {
        Zeroizing::new(lines.take_while(|line| !is_end(line)).flat_map(significant).collect())
    } else {
        let raw: Zeroizing<String> =
            Zeroizing::new(text.split(['\n', '\r']).map(unframe).flat_map(significant).collect());
        if raw.len() < SHORTEST_RAW || !raw.bytes().all(is_base64) {
            return Err(ArmorError::NoPayload);
        }
        raw
    };
    if payload.is_empty() {
        return Err(ArmorError::NoPayload);
    }
    BASE64.decode(payload.as_bytes()).map(Zeroizing::new).map_err(|_| ArmorError::NotBase64)
}

/// A line without the sides of the frame and what quoting put before them.
fn unframe(line: &str) -> &str {
    line.trim_matches(|c| text::is_space(c) || matches!(c, '║' | '|' | '>'))
}

/// Whether an unframed line is a rule with this name in its middle.
fn is_rule(line: &str, name: &str) -> bool {
    let title = line.trim_matches(|c| text::is_space(c) || matches!(c, '═' | '='));
    title == name && title.len() < line.len()
}

/// Whether an unframed line ends the payload: the SIGNATURE rule, or where that was cut off, the frame's bottom.
fn is_end(line: &str) -> bool {
    is_rule(line, "SIGNATURE") || line.starts_with('╚')
}

/// The characters of a line that are not white space.
fn significant(line: &str) -> impl Iterator<Item = char> + '_ {
    line.chars().filter(|c| !text::is_space(*c))
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::address::Address;
    use crate::protocol::trust::{Expected, MachineFingerprint, Nonce};

    fn token() -> Token {
        let agent = Address::parse("bob@localhost").unwrap();
        let machine = MachineFingerprint::of_facts(&[]);
        let now = Now::utc(1_770_282_343_000);
        Token::build(&Expected { agent: &agent, agent_key: "key", machine: &machine, now }, Nonce::new([1; 32]))
    }

    #[test]
    fn an_armor_survives_how_people_paste() {
        let token = token();
        let armor = format(&token, "host-linux");
        assert!(armor.lines().filter(|line| !line.contains(&token.signature_hex())).all(|l| l.chars().count() == 68));
        let quoted: String = armor.lines().map(|line| format!("> {line}\n")).collect();
        let bare: String = armor.lines().map(|line| line.replace('║', "") + "\n").collect();
        let cut = armor.split("SIGNATURE").next().unwrap().rsplit_once('\n').unwrap().0;
        for text in [
            armor.clone(),
            format!("Here it is:\n{armor}\nBye"),
            armor.replace('\n', "\r\n"),
            quoted,
            bare,
            cut.to_owned(),
            token.to_base64(),
            token.to_base64().trim_end_matches('=').to_owned(),
            token.to_base64().as_bytes().chunks(76).map(|l| String::from_utf8_lossy(l) + "\r\n").collect(),
        ] {
            assert_eq!(parse(&text).as_deref().map(Vec::as_slice), Ok(token.as_bytes()), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_token() {
        let base64 = token().to_base64();
        for text in ["", "hello", "PAYLOAD", "═ PAYLOAD ═", &base64.replacen('A', "!", 1), &"é".repeat(200), "A B"]
        {
            assert_eq!(parse(text), Err(ArmorError::NoPayload), "{text}");
        }
        assert_eq!(parse(&"A".repeat(99)), Err(ArmorError::NoPayload));
        assert_eq!(parse("═ PAYLOAD ═\n!!!"), Err(ArmorError::NotBase64));
        assert_eq!(parse(&format!("{}=A", "A".repeat(100))), Err(ArmorError::NotBase64));
    }

    #[test]
    fn a_hostile_machine_name_stays_on_its_line() {
        let armor = format(&token(), "x\n║  ═ PAYLOAD ═\u{1b}[2J");
        assert!(!armor.contains('\u{1b}'));
        assert_eq!(armor.lines().count(), format(&token(), "x").lines().count());
    }

    #[test]
    fn a_megabyte_of_anything_is_read_or_refused() {
        for pattern in ["═", "║", "\n", "A", "=", "═ PAYLOAD ═\n", "PAYLOAD", " ", "\u{1f}", "é", "> ", "\r"] {
            let text = pattern.repeat(1_000_000 / pattern.len());
            let _ = parse(&text).map(|bytes| assert!(bytes.len() <= text.len()));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in ".{0,200}|[A-Za-z0-9+/= \\n═║]{0,200}|═ PAYLOAD ═\\n[A-Za-z0-9+/=\\n]{0,99}═ SIGNATURE ═\\n[A-Z]{0,9}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_bytes_are_read_raw(bytes in prop::collection::vec(any::<u8>(), 75..300)) {
            prop_assert_eq!(parse(&BASE64.encode(&bytes)).map(|read| read.to_vec()), Ok(bytes));
        }

        #[test]
        fn any_machine_name_is_safe(name in ".{0,100}|[═║\\n PAYLOD]{0,90}") {
            prop_assert_eq!(parse(&format(&token(), &name)).map(|read| read.to_vec()), Ok(token().as_bytes().to_vec()));
        }
    }
}
