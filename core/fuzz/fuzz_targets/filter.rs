//! See `azall_fuzz::filter`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(filter);
