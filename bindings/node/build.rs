//! Lets the addon leave Node's functions to be found when Node loads it.

fn main() {
    napi_build::setup();
}
