//! See `azall_fuzz::file_names`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(file_names);
