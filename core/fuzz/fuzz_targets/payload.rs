//! See `azall_fuzz::payload`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(payload);
