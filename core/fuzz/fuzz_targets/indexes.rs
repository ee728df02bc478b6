//! See `azall_fuzz::indexes`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(indexes);
