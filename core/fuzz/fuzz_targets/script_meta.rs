//! See `azall_fuzz::script_meta`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(script_meta);
