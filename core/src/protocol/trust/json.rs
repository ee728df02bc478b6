//! JSON as the reference writes its files: indented by two, ASCII only.

use serde_json::Value;

/// The text of Python's `json.dumps(value, indent=2)`.
pub(super) fn to_python_json(value: &Value) -> String {
    let text = format!("{value:#}");
    if text.bytes().all(|byte| byte < 0x7f) {
        return text;
    }
    // Outside of strings JSON is ASCII, so every character above it stands in one and may be escaped.
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if c > '~' {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_pythons() {
        let value = serde_json::json!({"a": "zö\u{7f}😀\n", "b": {}, "c": [], "d": [1, true, null]});
        assert_eq!(
            to_python_json(&value),
            "{\n  \"a\": \"z\\u00f6\\u007f\\ud83d\\ude00\\n\",\n  \"b\": {},\n  \"c\": [],\n  \"d\": [\n    1,\n    true,\n    null\n  ]\n}"
        );
    }
}
