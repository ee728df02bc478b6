//! Accounts on a relay: registered as any client does, by version 1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::header::HeaderValue;
use serde::Deserialize;

use crate::connection::{Call, Connection};
use crate::error::{Error, Result};

/// Connections that register.
const CONNECTIONS: usize = 64;

/// An account that a run knows.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name, which is also how it is addressed.
    pub name: String,
    /// The header that authorizes it.
    pub authorization: HeaderValue,
}

#[derive(Deserialize)]
struct Registered {
    api_token: String,
}

/// Registers one account.
///
/// # Errors
/// Those of the connection, and every answer but 201.
pub async fn register(connection: &mut Connection, name: &str) -> Result<Account> {
    let call = Call::post("/register", format!(r#"{{"agent_name":"{name}"}}"#))?;
    let Registered { api_token } = connection.call(&call).await?.json(&call, 201)?;
    let authorization = HeaderValue::from_str(&format!("Bearer {api_token}"))
        .map_err(|_| Error::Request { method: "POST".to_owned(), path: "/register".to_owned() })?;
    Ok(Account { name: name.to_owned(), authorization })
}

/// Registers `count` accounts with names that begin with `prefix`, in the order of their numbers, and gives the first `kept` of them.
///
/// # Errors
/// As [`register`].
pub async fn register_many(address: SocketAddr, prefix: &str, count: usize, kept: usize) -> Result<Vec<Account>> {
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..CONNECTIONS.min(count))
        .map(|_| {
            let (next, prefix) = (Arc::clone(&next), prefix.to_owned());
            tokio::spawn(async move {
                let mut connection = Connection::to(address);
                let mut accounts = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, Error>(accounts);
                    }
                    let account = register(&mut connection, &format!("{prefix}-{number}")).await?;
                    if number < kept {
                        accounts.push((number, account));
                    }
                }
            })
        })
        .collect();
    let mut accounts = Vec::new();
    for worker in workers {
        accounts.extend(worker.await.map_err(|failed| Error::Usage(failed.to_string()))??);
    }
    accounts.sort_by_key(|(number, _)| *number);
    Ok(accounts.into_iter().map(|(_, account)| account).collect())
}
