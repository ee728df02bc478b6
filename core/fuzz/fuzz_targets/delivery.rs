//! See `azall_fuzz::delivery`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(delivery);
