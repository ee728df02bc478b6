//! See `azall_fuzz::seen_ids`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(seen_ids);
