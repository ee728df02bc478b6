//! See `azall_fuzz::address`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(address);
