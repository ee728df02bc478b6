//! Scripts of command lines with what they must print, so that a test is mostly a table. One line each:
//!
//! | line | meaning |
//! |---|---|
//! | `$ note plan --set "two\nlines"` | runs a command; `'...'` is literal, in `"..."` there are `\n \t \e \" \\ \u{...}` |
//! | `< text` | its standard input, with the same escapes; `<` alone is an empty one; without it, a terminal |
//! | `= text` | one whole line of standard output; several are the whole of it |
//! | `\| text` | standard output contains it, after what the line before has found |
//! | `- text` | standard output does not contain it |
//! | `{...}` | standard output is a JSON document that has at least this; arrays have as many elements |
//! | `! text` | standard error contains it |
//! | `? 2` | the exit code, 0 if it is not said |
//! | `@ path = text` | a file below the mailboxes folder holds exactly this |
//! | `@ path` | there is such a file |
//! | `@! path` | there is none |
//! | `# text` | a remark |
//!
//! A command that is done and has no `!` line must leave standard error empty.

use serde_json::Value;

use super::shell::{Ran, Shell};

/// A command line with its expectations.
struct Case<'a> {
    line_number: usize,
    command: &'a str,
    stdin: Option<String>,
    expected: Vec<&'a str>,
}

/// Runs a script; the first expectation that is not met fails the test.
pub(crate) fn play(shell: &mut Shell, script: &str) {
    for case in cases(script) {
        let words = split(case.command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = shell.run(&words, case.stdin.as_deref());
        let complaint = check(shell, &case.expected, &ran);
        if let Err(why) = complaint {
            panic!("line {}: $ {}\n{why}\n{}", case.line_number, case.command, shown(&ran));
        }
    }
}

fn shown(ran: &Ran) -> String {
    format!("--- exit code {}\n--- stdout\n{}--- stderr\n{}---", ran.code, ran.stdout, ran.stderr)
}

fn cases(script: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (at, line) in script.lines().enumerate() {
        let line = line.trim_start();
        let (sign, rest) = (line.chars().next(), line.get(2..).unwrap_or_default());
        match (sign, cases.last_mut()) {
            (None | Some('#'), _) => {}
            (Some('$'), _) => {
                cases.push(Case { line_number: at + 1, command: rest, stdin: None, expected: Vec::new() });
            }
            (Some('<'), Some(case)) => case.stdin = Some(unescape(rest)),
            (Some(_), Some(case)) => case.expected.push(line),
            (Some(_), None) => panic!("line {}: no command before {line:?}", at + 1),
        }
    }
    cases
}

fn check(shell: &Shell, expected: &[&str], ran: &Ran) -> Result<(), String> {
    let (mut from, mut code, mut tells) = (0, 0, false);
    let mut whole: Vec<String> = Vec::new();
    for line in expected {
        let text = unescape(line.get(2..).unwrap_or_default());
        match line.chars().next().unwrap_or_default() {
            '=' => whole.push(text),
            '|' => {
                let rest = ran.stdout.get(from..).unwrap_or_default();
                let at = rest.find(&text).ok_or_else(|| format!("missing on stdout: {text:?}"))?;
                from += at + text.len();
            }
            '-' if ran.stdout.contains(&text) => return Err(format!("should not be on stdout: {text:?}")),
            '-' => {}
            '{' | '[' => {
                let wanted = serde_json::from_str(line).map_err(|error| format!("bad case {line}: {error}"))?;
                holds(&ran.json(), &wanted, "$")?;
            }
            '!' => {
                tells = true;
                if !ran.stderr.contains(&text) {
                    return Err(format!("missing on stderr: {text:?}"));
                }
            }
            '?' => code = text.trim().parse().map_err(|error| format!("bad case {line}: {error}"))?,
            '@' => check_file(shell, line)?,
            _ => return Err(format!("bad case {line}")),
        }
    }
    if !whole.is_empty() && ran.stdout != whole.iter().map(|line| format!("{line}\n")).collect::<String>() {
        return Err(format!("stdout is not exactly {whole:?}"));
    }
    if ran.code != code {
        return Err(format!("exit code {} instead of {code}", ran.code));
    }
    if code == 0 && !tells && !ran.stderr.is_empty() {
        return Err("stderr is not empty".to_owned());
    }
    Ok(())
}

fn check_file(shell: &Shell, line: &str) -> Result<(), String> {
    if let Some(path) = line.strip_prefix("@! ") {
        return match shell.mailbox_file(path) {
            Some(_) => Err(format!("there is a file {path}")),
            None => Ok(()),
        };
    }
    let line = line.strip_prefix("@ ").unwrap_or_default();
    let (path, wanted) = line.split_once(" = ").map_or((line, None), |(path, wanted)| (path, Some(unescape(wanted))));
    match (shell.mailbox_file(path), wanted) {
        (None, _) => Err(format!("there is no file {path}")),
        (Some(found), Some(wanted)) if found != wanted => Err(format!("{path} holds {found:?}")),
        _ => Ok(()),
    }
}

/// Whether a document has at least what is wanted.
fn holds(found: &Value, wanted: &Value, path: &str) -> Result<(), String> {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().try_for_each(|(key, wanted)| {
            let path = format!("{path}.{key}");
            holds(found.get(key).ok_or_else(|| format!("{path} is missing"))?, wanted, &path)
        }),
        (Value::Array(found), Value::Array(wanted)) if found.len() == wanted.len() => found
            .iter()
            .zip(wanted)
            .enumerate()
            .try_for_each(|(at, (found, wanted))| holds(found, wanted, &format!("{path}[{at}]"))),
        (found, wanted) if found == wanted => Ok(()),
        _ => Err(format!("{path} is {found}, not {wanted}")),
    }
}

/// Splits a command line into words.
pub(crate) fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ' ') => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(q), c) if q == c => quote = None,
            (Some('"'), '\\') => word.get_or_insert_default().push(escape(&mut chars)),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "an open quote in {line}");
    words.extend(word);
    words
}

fn unescape(text: &str) -> String {
    let mut chars = text.chars().peekable();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { escape(&mut chars) } else { c });
    }
    out
}

/// The character that stands after a backslash.
fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> char {
    match chars.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('e') => '\u{1b}',
        Some('u') => {
            let hex: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
            char::from_u32(u32::from_str_radix(&hex, 16).unwrap()).unwrap()
        }
        Some(other) => other,
        None => '\\',
    }
}
