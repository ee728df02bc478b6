//! See `azall_fuzz::trust_files`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(trust_files);
