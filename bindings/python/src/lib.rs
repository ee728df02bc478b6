//! azall's core for Python: the module `azall._core`. It converts types and decides nothing; what is here is documented, for who uses
//! it, in `hosts/python/azall/_core.pyi`. The effects on files are done here as well, by what all hosts with files share.
//!
//! Whatever may take longer than a millisecond runs without the interpreter's lock.

mod command_line;
mod data;
mod error;
#[cfg(unix)]
mod files;
mod keys;
mod operation;
mod protocol;
mod to_python;

/// As the native program's. It is for what is made here; Python's objects are Python's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The module.
#[pyo3::pymodule]
mod _core {
    use azall_core::engine::effect::EffectKind;
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::command_line::{CommandLine, Ending, ending, event_line, failure_ending, host_ending};
    #[cfg(unix)]
    #[pymodule_export]
    use crate::files::{Files, Flag, write_archive};
    #[pymodule_export]
    use crate::keys::{Identity, Keyring, SeenIds, fingerprint_of};
    #[pymodule_export]
    use crate::operation::{Config, Op};
    #[pymodule_export]
    use crate::protocol::{
        accepts, check_token, day_index, format_message, machine_fingerprint, make_token, memory_index, new_message_id,
        owner_sign, owner_verify, parse_message, sanitize, script_description, sign_body, sign_documented,
        sign_message, verify, verify_body,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let kinds: Vec<&str> = EffectKind::ALL.iter().map(|kind| kind.name()).collect();
        module.add("EFFECT_KINDS", pyo3::types::PyTuple::new(module.py(), kinds)?)?;
        #[cfg(unix)]
        let on_disk: Vec<&str> = azall_files::host::KINDS.iter().map(|kind| kind.name()).collect();
        #[cfg(unix)]
        module.add("FILE_EFFECT_KINDS", pyo3::types::PyTuple::new(module.py(), on_disk)?)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
