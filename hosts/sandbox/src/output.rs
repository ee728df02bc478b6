//! What a program writes: kept until it has ended, then passed on to this process's own streams.

use std::io::{self, Write};

use rustix::process::{Resource, Rlimit};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

/// Both streams of a program.
#[derive(Clone)]
pub(crate) struct Output {
    out: MemoryOutputPipe,
    err: MemoryOutputPipe,
    /// The most bytes on each.
    most: usize,
    /// How large a file this process could write before it was confined.
    largest_file: Rlimit,
}

impl Output {
    pub(crate) fn new(most: usize) -> Self {
        // Room for a byte more than there may be: only so is one that wrote too much told from one that wrote all that it may.
        let pipe = || MemoryOutputPipe::new(most.saturating_add(1));
        Self { out: pipe(), err: pipe(), most, largest_file: rustix::process::getrlimit(Resource::Fsize) }
    }

    pub(crate) fn out(&self) -> MemoryOutputPipe {
        self.out.clone()
    }

    pub(crate) fn err(&self) -> MemoryOutputPipe {
        self.err.clone()
    }

    /// Whether the program wrote, or tried to write, more than it may. One that ignores that a write fails may end well all the same.
    pub(crate) fn is_exceeded(&self) -> bool {
        [&self.out, &self.err].iter().any(|pipe| pipe.contents().len() > self.most)
    }

    /// Writes what the program wrote to this process's own streams. A reader that has gone away has nothing to complain about.
    pub(crate) fn pass_on(&self) -> io::Result<()> {
        // The bound on files is the program's: what it printed may go to a file that is larger. Nothing of it runs any more.
        let _ = rustix::process::setrlimit(Resource::Fsize, self.largest_file);
        let [out, err] = [&self.out, &self.err].map(MemoryOutputPipe::contents);
        let within = |bytes: &[u8]| bytes.len().min(self.most);
        let mut stdout = io::stdout();
        let printed = stdout.write_all(out.get(..within(&out)).unwrap_or_default()).and_then(|()| stdout.flush());
        let _ = io::stderr().write_all(err.get(..within(&err)).unwrap_or_default());
        printed.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
    }
}
