//! The description of the API, made from the code: for programs as OpenAPI, for people as a page.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{accounts, answer, blobs, messages, metrics, stream, v1};

/// The API of this relay. Every error is `{"error": TEXT}`, in version 2 with a `code` besides.
#[derive(OpenApi)]
#[openapi(
    info(title = "AgentTalk relay", license(name = "MIT OR Apache-2.0")),
    modifiers(&Token),
    paths(
        v1::register, v1::send, v1::messages, v1::agents, v1::status, v1::health,
        accounts::challenge, accounts::register, accounts::agents, accounts::agent, accounts::token, accounts::delete,
        messages::send, messages::page, messages::ack, stream::stream, stream::ticket,
        blobs::upload, blobs::look, blobs::download,
        metrics::ready, metrics::metrics, document, page,
    ),
    tags(
        (name = "Messages", description = "Messages wait until they are acknowledged."),
        (name = "Accounts", description = "Accounts, with a key or without."),
        (name = "Blobs", description = "Attachments too large for a message, named by the SHA-256 of their bytes."),
        (name = "Version 1", description = "What the first clients speak. Messages are deleted as they are handed out."),
        (name = "Operation", description = "For who runs the relay."),
    )
)]
struct Description;

/// Adds how a token is shown.
struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The account's token")).build();
        openapi.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The description as a value.
pub(super) fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| description().to_json().unwrap_or_default().into());

static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let document = serde_json::to_value(description()).unwrap_or_default();
    html(&document).into()
});

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "Operation", responses(
    (status = 200, description = "An OpenAPI document", body = Object)))]
pub(crate) async fn document() -> Response {
    answer::json_bytes(StatusCode::OK, DOCUMENT.clone())
}

/// This description as a page.
#[utoipa::path(get, path = "/docs", tag = "Operation", responses(
    (status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn page() -> Response {
    let mut response = Response::new(Body::from(PAGE.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let nothing_from_outside = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(nothing_from_outside));
    response
}

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
code{font:14px ui-monospace,monospace}h2{margin-top:2.5rem}\
details{border:1px solid #ccc;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer}\
.method{display:inline-block;min-width:4.5rem;font-weight:600}\
table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.15rem 1rem .15rem 0}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}details{border-color:#444}}";

/// The page: one section for each tag, one entry for each call.
fn html(document: &Value) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width\"><title>AgentTalk relay</title><style>");
    out.push_str(STYLE);
    out.push_str("</style></head><body>\n<h1>AgentTalk relay</h1>\n<p>");
    out.push_str(&text(at(document, "/info/description")));
    out.push_str(" Calls with a key (&#128273;) need the header <code>Authorization: Bearer TOKEN</code>. ");
    out.push_str("For programs: <a href=\"/openapi.json\">openapi.json</a>.</p>\n");
    for tag in array(at(document, "/tags")) {
        let _ = write!(out, "<h2>{}</h2>\n<p>{}</p>\n", text(at(tag, "/name")), text(at(tag, "/description")));
        for (path, item) in object(at(document, "/paths")) {
            for (method, call) in object(item).filter(|(_, call)| at(call, "/tags/0") == at(tag, "/name")) {
                push_call(&mut out, method, path, call, document);
            }
        }
    }
    out.push_str("</body></html>\n");
    out
}

fn push_call(out: &mut String, method: &str, path: &str, call: &Value, document: &Value) {
    let key = if at(call, "/security").is_array() { " &#128273;" } else { "" };
    let (method, path) = (escaped(&method.to_uppercase()), escaped(path));
    let _ = write!(out, "<details><summary><span class=\"method\">{method}</span><code>{path}</code>{key}");
    let _ = write!(out, " &ndash; {}</summary>\n<table>", text(at(call, "/summary")));
    for parameter in array(at(call, "/parameters")) {
        let (name, place) = (text(at(parameter, "/name")), text(at(parameter, "/in")));
        push_row(out, &format!("<code>{name}</code> ({place})"), &text(at(parameter, "/description")));
    }
    for (kind, content) in object(at(call, "/requestBody/content")) {
        push_fields(out, &format!("body, {}", escaped(kind)), at(content, "/schema"), document);
    }
    for (status, answer) in object(at(call, "/responses")) {
        push_row(out, &format!("<b>{}</b>", escaped(status)), &text(at(answer, "/description")));
        if status.starts_with('2') {
            for (_, content) in object(at(answer, "/content")) {
                push_fields(out, "", at(content, "/schema"), document);
            }
        }
    }
    out.push_str("</table></details>\n");
}

/// The fields of a body, one in a row.
fn push_fields(out: &mut String, title: &str, schema: &Value, document: &Value) {
    let name = at(schema, "/$ref").as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let schema = if name.is_empty() { schema } else { at(document, &format!("/components/schemas/{name}")) };
    if !title.is_empty() {
        push_row(out, title, &text(at(schema, "/description")));
    }
    for (field, what) in object(at(schema, "/properties")) {
        push_row(out, &format!("&emsp;<code>{}</code>", escaped(field)), &text(at(what, "/description")));
    }
}

fn push_row(out: &mut String, left: &str, right: &str) {
    let _ = write!(out, "<tr><td>{left}</td><td>{right}</td></tr>");
}

/// What is at a place in a document (RFC 6901); `null` where nothing is.
fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or(&Value::Null)
}

fn object(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text as HTML, with `code` for what is between backquotes.
fn text(value: &Value) -> String {
    let escaped = escaped(value.as_str().unwrap_or_default());
    let mut parts = escaped.split('`');
    let mut out = parts.next().unwrap_or_default().to_owned();
    while let (Some(code), Some(after)) = (parts.next(), parts.next()) {
        let _ = write!(out, "<code>{code}</code>{after}");
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_outside_and_shows_every_call() {
        let document = serde_json::to_value(description()).unwrap();
        let page = html(&document);
        for outside in ["<script", "<link", "<img", "src=", "http:", "https:", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        for (path, _) in object(&document["paths"]) {
            assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        }
    }

    #[test]
    fn every_call_is_described() {
        let document = serde_json::to_value(description()).unwrap();
        for (path, item) in object(&document["paths"]) {
            for (method, call) in object(item) {
                assert!(call["summary"].as_str().is_some_and(|text| text.len() > 10), "{method} {path}");
                assert!(call["tags"][0].is_string(), "{method} {path}");
            }
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(text(&Value::from("a `<b>` & \"c\"")), "a <code>&lt;b&gt;</code> &amp; &quot;c&quot;");
    }
}
