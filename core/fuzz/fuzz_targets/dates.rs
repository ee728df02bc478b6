//! See `azall_fuzz::dates`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(dates);
