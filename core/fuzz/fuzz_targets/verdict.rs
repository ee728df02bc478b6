//! See `azall_fuzz::verdict`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(verdict);
