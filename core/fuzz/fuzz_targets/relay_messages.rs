//! See `azall_fuzz::relay_messages`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(relay_messages);
