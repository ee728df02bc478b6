//! See `azall_fuzz::relay_page`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(relay_page);
