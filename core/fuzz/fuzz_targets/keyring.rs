//! See `azall_fuzz::keyring`.
#![cfg_attr(fuzzing, no_main)]
azall_fuzz::target!(keyring);
