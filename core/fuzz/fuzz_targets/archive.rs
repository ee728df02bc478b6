//! See `azall_fuzz::archive`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(archive);
