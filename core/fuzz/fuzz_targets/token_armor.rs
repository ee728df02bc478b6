//! See `azall_fuzz::token_armor`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(token_armor);
