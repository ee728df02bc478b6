//! Whole operations over the drive loop: order, threads, waiting, signals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(clippy::type_complexity, missing_docs)]

#[path = "../../files/tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use azall::drive::drive;
use azall::host::Host;
use azall::http::HttpOptions;
use azall::interrupt::Interrupt;
use azall_core::engine::cx::Cx;
use azall_core::engine::effect::{Http, IoErrorKind, RunScript};
use azall_core::engine::error::Error;
use azall_core::engine::event::Level;
use azall_core::engine::op::Op;
use rustix::process::{Pid, Signal, kill_process};
use support::{World, place};

fn host(world: &World) -> Host {
    Host::new(world.roots.clone(), HttpOptions::default(), Interrupt::new().unwrap())
}

/// Runs an operation and gives its result with the text of its events.
fn run<T, F>(host: &Host, start: impl FnOnce(Cx) -> F) -> (Result<T, Error>, Vec<String>)
where
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut events = Vec::new();
    let result = drive(&mut Op::start(start), host, |event| events.push(event.text));
    (result, events)
}

/// A server that answers each request after this time, and counts how many it had at once.
fn slow_server(delay: Duration) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let most = Arc::new(AtomicUsize::new(0));
    let (now, seen) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&most));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (now, seen) = (Arc::clone(&now), Arc::clone(&seen));
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(delay);
                now.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            });
        }
    });
    (address, most)
}

fn get(address: SocketAddr) -> Http {
    let url = format!("http://{address}/");
    Http { method: "GET".into(), url, headers: Vec::new(), body: Vec::new(), limit: 100, timeout_ms: 10_000 }
}

#[test]
fn hundreds_of_effects_at_once_find_their_answers() {
    let world = World::new();
    let (result, _) = run(&host(&world), |cx| async move {
        let name = |n: usize| place(&format!("agent/{}/{n}.txt", n % 7));
        let create = |n: usize| {
            let cx = &cx;
            async move { cx.create(&name(n), n.to_string(), false).await }
        };
        let read = |n: usize| {
            let cx = &cx;
            async move { cx.read(&name(n)).await }
        };
        assert_eq!(cx.all(512, (0..600).map(create)).await, vec![Ok(true); 600]);
        assert_eq!(cx.all(8, (0..8).map(create)).await, vec![Ok(false); 8]);
        for (n, found) in cx.all(32, (0..600).map(read)).await.into_iter().enumerate() {
            assert_eq!(found?.as_deref(), Some(n.to_string().as_bytes()));
        }
        Ok(cx.list(&place("agent/3")).await?.len())
    });
    assert_eq!(result, Ok(86));
}

#[test]
fn a_failed_effect_reaches_the_operation() {
    let world = World::new();
    world.put("agent", b"a file in the place of a folder");
    let (result, _) = run(&host(&world), |cx| async move { cx.write(&place("agent/x"), "x").await });
    assert_eq!(result.unwrap_err().io_kind(), Some(IoErrorKind::Other));
}

#[test]
fn a_slow_relay_holds_up_no_file() {
    let world = World::new();
    let (address, _) = slow_server(Duration::from_millis(800));
    let (result, events) = run(&host(&world), move |cx| async move {
        let relay = async {
            let answer = cx.http(get(address)).await;
            cx.emit(Level::Info, "relay");
            answer.map(|answer| answer.body).map_err(|source| Error::Host { action: "http", source })
        };
        let files = async {
            for n in 0..20 {
                cx.write(&place(&format!("agent/{n}")), "x").await?;
            }
            cx.emit(Level::Info, "files");
            Ok(Vec::new())
        };
        let both: [std::pin::Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + Send>>; 2] =
            [Box::pin(relay), Box::pin(files)];
        cx.all(2, both).await.into_iter().next().unwrap()
    });
    assert_eq!(result.unwrap(), b"ok");
    assert_eq!(events, ["files", "relay"]);
}

#[test]
fn requests_run_side_by_side_but_not_without_bound() {
    let world = World::new();
    let (address, most) = slow_server(Duration::from_millis(300));
    let start = Instant::now();
    let (result, _) = run(&host(&world), move |cx| async move {
        let answers = cx.all(40, (0..40).map(|_| cx.http(get(address)))).await;
        Ok(answers.into_iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.body == b"ok")).count())
    });
    assert_eq!(result, Ok(40));
    let most = most.load(Ordering::SeqCst);
    assert!((2..=16).contains(&most), "{most} at once");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_deadline_ends_the_wait() {
    let world = World::new();
    let start = Instant::now();
    let (result, _) = run(&host(&world), |cx| async move { Ok(cx.sleep_ms(200).await) });
    assert_eq!(result, Ok(true));
    assert!((Duration::from_millis(190)..Duration::from_secs(2)).contains(&start.elapsed()));
}

#[test]
fn the_interrupt_cancels_a_sleep_and_a_script() {
    let world = World::new();
    world.put("agent/tools/tool.py", b"import time\ntime.sleep(60)");
    let script = RunScript {
        script: place("agent/tools/tool.py"),
        folder: place("agent"),
        args: Vec::new(),
        timeout_ms: 60_000,
        output_limit: 100,
    };
    let host = host(&world);
    let raiser = host.clone();
    let raising = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        raiser.interrupt().raise();
    });
    let start = Instant::now();
    let (result, _) = run(&host, |cx| async move {
        let script = cx.run_script(script).await?;
        Ok((script.code, cx.sleep_ms(60_000).await, cx.is_cancelled()))
    });
    raising.join().unwrap();
    assert_eq!(result, Ok((None, false, true)));
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// The name of the variable that tells this test program to be the process that is tested.
const ROLE: &str = "AZALL_TEST_ROLE";

/// Runs one test of this program again, in a process of its own.
fn child(test: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, "child")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

#[test]
fn one_thing_after_another_starts_no_thread() {
    if !is_child() {
        assert!(child("one_thing_after_another_starts_no_thread").wait().unwrap().success());
        return;
    }
    if !std::path::Path::new("/proc/self/task").exists() {
        println!("skipped: this system does not list threads");
        return;
    }
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let world = World::new();
    let before = threads();
    let (result, _) = run(&host(&world), |cx| async move {
        cx.append(&place("agent/log"), "x", true).await?;
        cx.write(&place("agent/x"), "x").await?;
        cx.rename(&place("agent/x"), &place("agent/y")).await?;
        cx.sleep_ms(1).await;
        cx.host_facts().await?;
        cx.random::<16>().await?;
        cx.read_many(&place("agent"), vec!["y".into(), "log".into()], 100).await?;
        cx.remove(&place("agent/y")).await?;
        Ok(cx.list(&place("agent")).await?.len())
    });
    assert_eq!(result, Ok(1));
    assert_eq!(threads(), before);
}

/// What an operation that sleeps for a minute says when these signals come, and its exit code.
fn signalled(test: &str, signals: &[Signal]) -> (String, Option<i32>) {
    let start = Instant::now();
    let mut child = child(test);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child ended");
    }
    for signal in signals {
        kill_process(Pid::from_child(&child), *signal).unwrap();
        thread::sleep(Duration::from_millis(300));
    }
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    let code = child.wait().unwrap().code();
    assert!(start.elapsed() < Duration::from_secs(10));
    (rest, code)
}

/// Sleeps, and after a signal does not stop before `more_ms`.
fn sleep_until_signalled(more_ms: i64) {
    let world = World::new();
    let host = Host::new(world.roots.clone(), HttpOptions::default(), Interrupt::on_signals().unwrap());
    let (address, _) = slow_server(Duration::from_millis(more_ms.unsigned_abs()));
    println!("ready");
    let (result, _) = run(&host, move |cx| async move {
        let slept = cx.sleep_ms(60_000).await;
        let answered = cx.http(Http { timeout_ms: 60_000, ..get(address) }).await.is_ok();
        Ok((slept, answered))
    });
    println!("stopped: {result:?}");
}

#[test]
fn a_signal_asks_to_stop() {
    const NAME: &str = "a_signal_asks_to_stop";
    if is_child() {
        return sleep_until_signalled(0);
    }
    for signal in [Signal::TERM, Signal::INT] {
        let (said, code) = signalled(NAME, &[signal]);
        assert!(said.contains("stopped: Ok((false, true))"), "{said}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_second_interrupt_ends_the_process() {
    const NAME: &str = "a_second_interrupt_ends_the_process";
    if is_child() {
        return sleep_until_signalled(30_000);
    }
    let (said, code) = signalled(NAME, &[Signal::INT, Signal::INT]);
    assert_eq!(code, Some(130), "{said}");
    let (said, code) = signalled(NAME, &[Signal::TERM, Signal::INT]);
    assert_eq!(code, Some(130), "{said}");
}
