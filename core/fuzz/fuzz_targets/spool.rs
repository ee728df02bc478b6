//! See `azall_fuzz::spool`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(spool);
