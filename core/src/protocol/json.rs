//! JSON laid out as Python's `json.dumps(value, indent=2)` does it: the form of the reference's files.

use serde_json::Value;

/// `value` with two spaces of indentation, ASCII only, without a line end behind it.
#[must_use]
pub(crate) fn python_text(value: &Value) -> String {
    let text = format!("{value:#}");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Beyond ASCII, and DEL, only strings have characters, and there an escape means the same.
        if c <= '~' {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn layout_is_pythons() {
        let value =
            json!({"a": [], "b": {}, "c": [1, -2.5, {"d": null}], "e": true, "é": "\"\\\u{8}\u{c}\n\r\t\u{1}\u{7f}🕊"});
        let expected = r#"{
  "a": [],
  "b": {},
  "c": [
    1,
    -2.5,
    {
      "d": null
    }
  ],
  "e": true,
  "\u00e9": "\"\\\b\f\n\r\t\u0001\u007f\ud83d\udd4a"
}"#;
        assert_eq!(python_text(&value), expected);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let value = json!({ text.clone(): [text] });
            prop_assert_eq!(serde_json::from_str::<Value>(&python_text(&value)).unwrap(), value);
        }
    }
}
