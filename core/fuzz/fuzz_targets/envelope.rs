//! See `azall_fuzz::envelope`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(envelope);
