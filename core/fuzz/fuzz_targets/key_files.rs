//! See `azall_fuzz::key_files`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(key_files);
