//! One run of a program.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use base16ct::HexDisplay;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit};
use sha2::{Digest, Sha256};
use wasmtime::{Config, Engine, Linker, ResourceLimiter, Store, Trap, UpdateDeadline};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use crate::compiled;
use crate::error::Error;
use crate::limits::Limits;

/// How often a computing program is looked at.
const TICK: Duration = Duration::from_millis(10);

/// The most of a program's own stack.
const STACK_BYTES: usize = 1 << 20;

/// The most elements in tables: a program of ordinary size has one table of some thousands.
const TABLE_ELEMENTS: usize = 1_000_000;

/// `azall.wasm`: `$AZALL_WASM`, else beside this program, else in `../share/azall`.
pub(crate) fn azall_module() -> Result<PathBuf, Error> {
    if let Some(named) = std::env::var_os("AZALL_WASM").filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let own = std::env::current_exe().map_err(|_| Error::NoModule)?;
    let folder = own.parent().ok_or(Error::NoModule)?;
    let places = [folder.join("azall.wasm"), folder.join("../share/azall/azall.wasm")];
    places.into_iter().find(|place| place.is_file()).ok_or(Error::NoModule)
}

/// A program, what it is told, and what it may use.
pub(crate) struct Program {
    pub(crate) module: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) cwd: String,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) words: Vec<String>,
    pub(crate) limits: Limits,
}

/// What the runtime holds for a run.
struct State {
    wasi: WasiP1Ctx,
    memory: MemoryLimit,
}

impl Program {
    /// Runs it to its end and gives its exit code. What it wrote is passed on in either case.
    pub(crate) fn run(self) -> Result<u8, Error> {
        let setup = |error: wasmtime::Error| Error::Setup(format!("{error:#}"));
        let engine = Engine::new(&config()).map_err(setup)?;
        let out = MemoryOutputPipe::new(self.limits.output_bytes());
        let err = MemoryOutputPipe::new(self.limits.output_bytes());
        // Compiling counts: a program may be made to be compiled for ever.
        self.watch(&engine, [out.clone(), err.clone()])?;
        let module = compiled::module(&engine, &self.module)?;
        confine(self.limits)?;

        let mut wasi = WasiCtxBuilder::new();
        wasi.args(&self.words)
            .inherit_stdin()
            .stdout(out.clone())
            .stderr(err.clone())
            .allow_blocking_current_thread(true);
        let open = wasi.preopened_dir(&self.folder, "/", FsPerms::ReadWrite).map(|_| ());
        open.map_err(|error| Error::file("open", &self.folder)(io::Error::other(format!("{error:#}"))))?;

        // All of the environment: where it is, and a name for this machine that tells nothing of it.
        wasi.envs(&self.env)
            .env("PWD", &self.cwd)
            .env("AZALL_MACHINE_NAME", "sandbox")
            .env("AZALL_MACHINE_FACTS", machine());

        let memory = MemoryLimit::new(self.limits.memory_bytes());
        let mut store = Store::new(&engine, State { wasi: wasi.build_p1(), memory });
        store.limiter(|state| &mut state.memory);
        let mut linker: Linker<State> = Linker::new(&engine);
        p1::add_to_linker_sync(&mut linker, |state| &mut state.wasi).map_err(setup)?;
        self.bound(&mut store);

        let wrong = |error: wasmtime::Error| Error::Module { module: self.module.clone(), why: format!("{error:#}") };
        let started = linker.instantiate(&mut store, &module);
        let ended = started.and_then(|instance| {
            let main = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
            main.call(&mut store, ())
        });
        // The runtime lets no program sync a folder: it is done here, before the program's word that all is well gets out.
        sync(&self.folder)?;
        let is_full = [&out, &err].iter().any(|pipe| pipe.contents().len() >= self.limits.output_bytes());
        pass_on(&[out, err]);
        let Err(error) = ended else { return Ok(0) };
        if let Some(I32Exit(code)) = error.downcast_ref() {
            return Ok(u8::try_from(code & 0xff).unwrap_or(1));
        }
        Err(match error.downcast_ref::<Trap>() {
            _ if store.data().memory.was_reached => Error::Memory(self.limits.memory),
            // A program that ignores that its writes fail goes on until its time is over.
            _ if is_full || is_output_error(&error) => Error::Output(self.limits.output),
            Some(Trap::Interrupt) => Error::Time(self.limits.time),
            Some(trap) => Error::Trap(trap.to_string()),
            None => wrong(error),
        })
    }

    /// Ends the program when it has computed for too long.
    fn bound(&self, store: &mut Store<State>) {
        // What the compiler took does not count.
        let before = computed();
        let compute = self.limits.compute_time();
        store.epoch_deadline_callback(move |_| {
            if computed().saturating_sub(before) >= compute {
                Ok(UpdateDeadline::Interrupt)
            } else {
                Ok(UpdateDeadline::Continue(1))
            }
        });
        store.set_epoch_deadline(1);
    }

    /// Lets the engine's time go on, and ends the process when it has taken too long in all.
    fn watch(&self, engine: &Engine, output: [MemoryOutputPipe; 2]) -> Result<(), Error> {
        let started = Instant::now();
        let (wall, seconds) = (self.limits.wall_time(), self.limits.wall);
        let engine = engine.clone();
        let watcher = move || {
            while started.elapsed() < wall {
                thread::sleep(TICK);
                engine.increment_epoch();
            }
            // It is compiled, or waits in a call of the runtime: nothing but the end of the process cuts these short.
            pass_on(&output);
            let error = Error::Wall(seconds);
            let _ = writeln!(io::stderr(), "error: {error}");
            std::process::exit(i32::from(crate::EXIT_REFUSED));
        };
        thread::Builder::new()
            .name("limits".to_owned())
            .spawn(watcher)
            .map_err(|error| Error::Setup(error.to_string()))?;
        Ok(())
    }
}

/// Makes durable what the program has written.
fn sync(folder: &Path) -> Result<(), Error> {
    let opened = File::open(folder).map_err(Error::file("open", folder))?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&opened).map_err(|errno| Error::file("sync", folder)(errno.into()))?;
    #[cfg(not(target_os = "linux"))]
    drop(opened);
    Ok(())
}

/// The time that this process has computed for.
fn computed() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// What a trust token made in the sandbox is bound to: the same in every sandbox on this machine, and nowhere else.
fn machine() -> String {
    let id = std::fs::read("/etc/machine-id").unwrap_or_default();
    format!("{:x}", HexDisplay(&Sha256::new_with_prefix(b"azall sandbox\n").chain_update(id).finalize()))
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK_BYTES);
    config
}

/// Bounds this process itself: what it writes is its user's alone, and no file of it grows beyond the limit.
fn confine(limits: Limits) -> Result<(), Error> {
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let setup = |error: io::Error| Error::Setup(error.to_string());
    // With a handler for it the signal only makes the write fail.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false))).map_err(setup)?;
    let limit = Some(limits.file_bytes());
    rustix::process::setrlimit(Resource::Fsize, Rlimit { current: limit, maximum: limit }).map_err(|e| setup(e.into()))
}

/// Writes what the program wrote to this process's own streams. A reader that has gone away has nothing to complain about.
fn pass_on([out, err]: &[MemoryOutputPipe; 2]) {
    let _ = io::stdout().write_all(&out.contents()).and_then(|()| io::stdout().flush());
    let _ = io::stderr().write_all(&err.contents());
}

fn is_output_error(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains("MemoryOutputPipe"))
}

/// Refuses memory beyond the limit, and remembers it. A program may have several memories and tables: all of them count.
struct MemoryLimit {
    bytes_left: usize,
    elements_left: usize,
    was_reached: bool,
}

impl MemoryLimit {
    const fn new(bytes: usize) -> Self {
        Self { bytes_left: bytes, elements_left: TABLE_ELEMENTS, was_reached: false }
    }
}

/// Takes the growth from `current` to `desired` off what is left, if there is as much.
fn grow(left: &mut usize, current: usize, desired: usize) -> bool {
    let rest = left.checked_sub(desired.saturating_sub(current));
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // What its own bound forbids is refused without being taken off.
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        let fits = grow(&mut self.bytes_left, current, desired);
        self.was_reached |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|most| desired <= most) && grow(&mut self.elements_left, current, desired))
    }
}
