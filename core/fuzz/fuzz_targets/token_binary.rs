//! See `azall_fuzz::token_binary`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(token_binary);
