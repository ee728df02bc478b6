//! `azall server`: what the command line asks for, as the relay's options, and the relay run to its end.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use azall_core::cli::server::{LogFormat, Serve, ServerLimits, ServerTask, Tls};
use azall_relay::control;
use azall_relay::log;
use azall_relay::options::{Limits, Options, Port, TlsSource};
use azall_relay::server::{Server, told_to_stop};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The data folder, from the config file's folder.
pub(crate) const DATA_DIR: &str = "data/relay";

/// Does what is asked, to its end. `folder` is the config file's.
///
/// # Errors
/// What went wrong, for people.
pub(crate) fn run(task: ServerTask, folder: &Path, verbose: bool, json: bool) -> Result<(), String> {
    let data_dir = |given: Option<String>| given.map_or_else(|| folder.join(DATA_DIR), PathBuf::from);
    match task {
        ServerTask::Serve(serve) => run_relay(*serve, data_dir, verbose, json),
        ServerTask::Backup { file, data_dir: given } => {
            control::backup(&data_dir(given), Path::new(&file)).map_err(|error| error.to_string())?;
            say(json, &serde_json::json!({ "file": file }), &format!("The backup is in {file}."))
        }
        ServerTask::Restore { file, data_dir: given } => {
            let dir = data_dir(given);
            azall_relay::store::restore(Path::new(&file), &dir).map_err(|error| error.to_string())?;
            let shown = dir.display();
            say(json, &serde_json::json!({ "data_dir": dir }), &format!("The relay of {file} is in {shown}."))
        }
    }
}

fn run_relay(
    serve: Serve,
    data_dir: impl Fn(Option<String>) -> PathBuf,
    verbose: bool,
    json: bool,
) -> Result<(), String> {
    let format = match serve.log {
        LogFormat::Text => log::LogFormat::Text,
        LogFormat::Json => log::LogFormat::Json,
    };
    log::to_stderr(format, verbose);
    allow_many_files();
    let options = options(serve, data_dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.block_on(async {
        let stop = told_to_stop().map_err(|error| format!("cannot catch signals: {error}"))?;
        let server = Server::start(options).await.map_err(|error| error.to_string())?;
        tell(&server, json)?;
        server.run(stop).await;
        Ok(())
    })
}

/// Tells where the relay listens, in a line that is there before anybody is served.
fn tell(server: &Server, json: bool) -> Result<(), String> {
    let (url, address) = (server.url(), server.address());
    let certificate = server.certificate();
    let document = serde_json::json!({
        "url": url, "host": address.ip(), "port": address.port(), "certificate": certificate,
    });
    let mut text = format!("AgentTalk relay at {url}");
    if let Some(certificate) = certificate {
        text.push_str(&format!("\nClients must trust its certificate: SSL_CERT_FILE={}", certificate.display()));
    }
    say(json, &document, &text)
}

/// Prints a result. A reader that has gone away does not stop a server.
pub(crate) fn say(json: bool, document: &serde_json::Value, text: &str) -> Result<(), String> {
    let text = if json { document.to_string() } else { text.to_owned() };
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot print: {error}")),
        _ => Ok(()),
    }
}

fn options(serve: Serve, data_dir: impl Fn(Option<String>) -> PathBuf) -> Options {
    let Serve { bind, port, host, data_dir: given, memory, tls, limits, .. } = serve;
    Options {
        bind,
        port: port.map_or(Port::Default, Port::Fixed),
        // In memory nothing is written, unless a folder is named.
        data_dir: (!memory || given.is_some()).then(|| data_dir(given)),
        memory,
        tls: match tls {
            Tls::None => TlsSource::None,
            Tls::Files { cert, key } => TlsSource::Files { cert: cert.into(), key: key.into() },
            Tls::SelfSigned => TlsSource::SelfSigned,
        },
        host,
        limits: relay_limits(&limits),
    }
}

fn relay_limits(given: &ServerLimits) -> Limits {
    let mut limits = Limits::default();
    let number = |to: &mut u64, given: Option<u64>| *to = given.unwrap_or(*to);
    let time = |to: &mut Duration, given: Option<u64>| *to = given.map_or(*to, Duration::from_secs);
    let store = &mut limits.store;
    if let Some(bytes) = given.message_bytes {
        store.message_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    number(&mut store.inbox_bytes, given.inbox_bytes);
    store.inbox_messages = given.inbox_messages.unwrap_or(store.inbox_messages);
    time(&mut store.message_ttl, given.ttl);
    number(&mut store.blob_bytes, given.blob_bytes);
    number(&mut store.blob_account_bytes, given.blob_account_bytes);
    time(&mut store.blob_ttl, given.blob_ttl);
    limits.connections = given.connections.unwrap_or(limits.connections);
    limits.connections_per_address = given.connections_per_address.unwrap_or(limits.connections_per_address);
    limits
}

/// Every connection is a file: as many as the system allows this process.
pub(crate) fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
