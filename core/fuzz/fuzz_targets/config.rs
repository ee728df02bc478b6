//! See `azall_fuzz::config`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(config);
