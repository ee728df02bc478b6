//! Whose request it is.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::answer::Failure;
use super::body::{self, Bounds, Read};
use super::{AccountId, Relay};

/// The longest token that is looked at.
const LONGEST: usize = 1024;

/// The account whose token is in the `Authorization` header.
///
/// # Errors
/// 401 where there is none.
pub(crate) fn account(relay: &Relay, headers: &HeaderMap) -> Result<AccountId, Failure> {
    let token = bearer(headers).ok_or_else(Failure::unauthorized)?;
    relay.store.account_of(token).ok_or_else(Failure::unauthorized)
}

/// The account whose request it is, and the body of the request.
///
/// # Errors
/// 401, or what [`body::read`] says.
pub(crate) async fn account_and_body(
    relay: &Relay,
    request: Request,
    bounds: Bounds<'_>,
) -> Result<(AccountId, Read), Failure> {
    let (head, mut body) = request.into_parts();
    match account(relay, &head.headers) {
        Ok(account) => Ok((account, body::read(&head.headers, body, bounds).await?)),
        Err(failure) => {
            body::discard(&head.headers, &mut body, bounds.time).await;
            Err(failure)
        }
    }
}

/// The token of `Bearer TOKEN`, whose first word may be in any case (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let good = scheme.eq_ignore_ascii_case("bearer") && (1..=LONGEST).contains(&token.len());
    good.then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_scheme_is_bearer() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("abc", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(bearer(&headers), token, "{value:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
