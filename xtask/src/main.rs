//! The developer door (filled in by its own commit).
fn main() {}
