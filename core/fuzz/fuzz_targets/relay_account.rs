//! See `azall_fuzz::relay_account`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(relay_account);
