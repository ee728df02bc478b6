//! See `azall_fuzz::envelope_sealed`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(envelope_sealed);
