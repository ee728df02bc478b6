//! One run of a program.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base16ct::HexDisplay;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit};
use sha2::{Digest, Sha256};
use wasmtime::{Config, Engine, Linker, ResourceLimiter, Store, Trap, UpdateDeadline};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use crate::compiled;
use crate::error::Error;
use crate::limits::Limits;
use crate::output::Output;
use crate::watch::Watch;

/// The most of a program's own stack.
const STACK_BYTES: usize = 1 << 20;

/// What a program is told that asks for a symbolic link: "operation not permitted".
const ERRNO_PERM: i32 = 63;

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
        let engine = Engine::new(&config()).map_err(setup)?;
        let output = Output::new(self.limits.output_bytes());
        // Compiling counts: a program may be made to be compiled for ever.
        let watch = Watch::start(&engine, self.limits, output.clone())?;
        let module = compiled::module(&engine, &self.module)?;
        // Opened before the program may have opened as many files as there can be.
        let folder = File::open(&self.folder).map_err(Error::file("open", &self.folder))?;
        confine(self.limits)?;

        let mut store = self.store(&engine, &output)?;
        self.bound(&mut store, watch.clone());
        let started = linker(&engine)?.instantiate(&mut store, &module);
        let main =
            started.and_then(|instance| Ok((instance.get_typed_func::<(), ()>(&mut store, "_start")?, instance)));
        let ended = main.map(|(main, _)| main.call(&mut store, ()));
        watch.end();
        // The runtime lets no program sync a folder: it is done here, before the program's word that all is well gets out.
        sync(&folder).map_err(Error::file("sync", &self.folder))?;
        output.pass_on().map_err(Error::Print)?;
        self.verdict(ended, &store, &output)
    }

    /// What the program sees of the world.
    fn store(&self, engine: &Engine, output: &Output) -> Result<Store<State>, Error> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(&self.words)
            .inherit_stdin()
            .stdout(output.out())
            .stderr(output.err())
            .allow_blocking_current_thread(true);
        let open = wasi.preopened_dir(&self.folder, "/", FsPerms::ReadWrite).map(|_| ());
        open.map_err(|error| Error::file("open", &self.folder)(io::Error::other(format!("{error:#}"))))?;

        // All of the environment: where it is, and a name for this machine that tells nothing of it.
        wasi.envs(&self.env)
            .env("PWD", &self.cwd)
            .env("AZALL_MACHINE_NAME", "sandbox")
            .env("AZALL_MACHINE_FACTS", machine());

        let memory = MemoryLimit::new(self.limits.memory_bytes());
        let mut store = Store::new(engine, State { wasi: wasi.build_p1(), memory });
        store.limiter(|state| &mut state.memory);
        Ok(store)
    }

    /// What came of a run: an error in the outer result is one of a program that could not be started.
    fn verdict(
        &self,
        ended: wasmtime::Result<wasmtime::Result<()>>,
        store: &Store<State>,
        output: &Output,
    ) -> Result<u8, Error> {
        let could_start = ended.is_ok();
        let ended = ended.flatten();
        let code = match &ended {
            Ok(()) => Some(0),
            Err(error) => error.downcast_ref().map(|I32Exit(code)| u8::try_from(code & 0xff).unwrap_or(1)),
        };
        if output.is_exceeded() {
            return Err(Error::Output(self.limits.output));
        }
        if let Some(code) = code {
            return Ok(code);
        }
        let Err(error) = ended else { return Ok(0) };
        Err(match error.downcast_ref::<Trap>() {
            _ if store.data().memory.was_reached => Error::Memory(self.limits.memory),
            Some(Trap::Interrupt) => Error::Time(self.limits.time),
            Some(trap) => Error::Trap(trap.to_string()),
            // Not where in the program it was: the names there are the program's own.
            None if could_start => Error::Trap(error.root_cause().to_string()),
            None => Error::Module { module: self.module.clone(), why: format!("{error:#}") },
        })
    }

    /// Ends the program when it has computed for too long.
    fn bound(&self, store: &mut Store<State>, watch: Watch) {
        // What the compiler took does not count.
        let before = computed();
        let compute = self.limits.compute_time();
        store.epoch_deadline_callback(move |_| {
            watch.pass();
            if computed().saturating_sub(before) >= compute {
                Ok(UpdateDeadline::Interrupt)
            } else {
                Ok(UpdateDeadline::Continue(1))
            }
        });
        store.set_epoch_deadline(1);
    }
}

fn setup(error: wasmtime::Error) -> Error {
    Error::Setup(format!("{error:#}"))
}

/// WASI preview 1, without what makes symbolic links: other programs, outside, would follow one to where this program cannot go.
fn linker(engine: &Engine) -> Result<Linker<State>, Error> {
    let mut linker: Linker<State> = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, |state| &mut state.wasi).map_err(setup)?;
    linker.allow_shadowing(true);
    let refuse = |_: i32, _: i32, _: i32, _: i32, _: i32| -> i32 { ERRNO_PERM };
    linker.func_wrap("wasi_snapshot_preview1", "path_symlink", refuse).map_err(setup)?;
    Ok(linker)
}

/// Makes durable what the program has written.
fn sync(folder: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(folder)?;
    #[cfg(not(target_os = "linux"))]
    let _ = folder;
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
    // Only for as long as the program runs.
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Fsize);
    let current = Some(maximum.map_or(limits.file_bytes(), |most| most.min(limits.file_bytes())));
    rustix::process::setrlimit(Resource::Fsize, Rlimit { current, maximum }).map_err(|e| setup(e.into()))
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
