//! See `azall_fuzz::message`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(message);
