//! See `azall_fuzz::relay_answers`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(relay_answers);
