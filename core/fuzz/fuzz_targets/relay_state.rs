//! See `azall_fuzz::relay_state`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(relay_state);
