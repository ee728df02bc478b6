//! JSON as Python's `json.dumps` writes it, so that a file rewritten here is byte-equal to one rewritten by the
//! reference: two spaces of indent, everything but ASCII escaped, numbers as `repr` prints them, no final newline.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// `json.dumps(value, indent=2)`.
#[must_use]
pub fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value, 0);
    out
}

/// `json.dumps(object, indent=2)`.
#[must_use]
pub fn pretty_object(object: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_object(&mut out, object, 0);
    out
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => write_items(out, ['[', ']'], depth, items, |out, item, depth| {
            write_value(out, item, depth);
        }),
        Value::Object(object) => write_object(out, object, depth),
    }
}

fn write_object(out: &mut String, object: &Map<String, Value>, depth: usize) {
    write_items(out, ['{', '}'], depth, object, |out, (key, item), depth| {
        write_string(out, key);
        out.push_str(": ");
        write_value(out, item, depth);
    });
}

/// A list or an object, each item on a line of its own; an empty one is just its brackets.
fn write_items<T>(
    out: &mut String,
    [open, close]: [char; 2],
    depth: usize,
    items: impl IntoIterator<Item = T>,
    mut write_item: impl FnMut(&mut String, T, usize),
) {
    out.push(open);
    let mut empty = true;
    for item in items {
        if !empty {
            out.push(',');
        }
        empty = false;
        new_line(out, depth + 1);
        write_item(out, item, depth + 1);
    }
    if !empty {
        new_line(out, depth);
    }
    out.push(close);
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => out.push_str(&float_repr(float)),
        None => out.push_str(&number.to_string()),
    }
}

/// A float as Python's `repr` prints it: the shortest digits that read back the same, with an exponent only below
/// 1e-4 and from 1e16 on.
fn float_repr(float: f64) -> String {
    let scientific = format!("{float:e}");
    let Some((mantissa, Ok(exponent))) = scientific.split_once('e').map(|(m, e)| (m, e.parse::<i32>())) else {
        return scientific;
    };
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde_json::json;

    use super::*;

    #[test]
    fn layout_is_pythons() {
        let value = json!({"a": [], "b": {}, "c": [1, {"d": null}], "e": true});
        assert_eq!(
            pretty(&value),
            "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": null\n    }\n  ],\n  \"e\": true\n}"
        );
    }

    #[test]
    fn all_but_ascii_is_escaped() {
        let value = json!("ü\u{7f}\u{2028}\u{1f600}</\"\\\n\r\t\u{8}\u{c}\u{1}");
        assert_eq!(pretty(&value), "\"\\u00fc\\u007f\\u2028\\ud83d\\ude00</\\\"\\\\\\n\\r\\t\\b\\f\\u0001\"");
    }

    #[test]
    fn numbers_are_as_repr_prints_them() {
        // Each pair was printed by Python's json.dumps.
        for (float, text) in [
            (1.5, "1.5"),
            (1e5, "100000.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(pretty(&json!(float)), text);
        }
        assert_eq!(pretty(&json!(u64::MAX)), u64::MAX.to_string());
        assert_eq!(pretty(&json!(i64::MIN)), i64::MIN.to_string());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text: String, float: f64, int: i64, natural: u64) {
            let value = json!({&text: [text, float, int, natural, null, {"a": [true]}], "": {}});
            prop_assert_eq!(serde_json::from_str::<Value>(&pretty(&value)).unwrap(), value.clone());
            prop_assert!(pretty(&value).is_ascii());
        }
    }
}
