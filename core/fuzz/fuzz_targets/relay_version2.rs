//! See `azall_fuzz::relay_version2`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(relay_version2);
