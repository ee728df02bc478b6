//! The effects that every host with files answers alike.

use azall_core::engine::effect::{Answer, Effect, IoError, IoErrorKind};

use crate::roots::Roots;
use crate::{commit, files, random};

/// Does what an effect on files, or one for randomness, asks. Of any other it says that it is not known: a host answers those
/// that it knows before it comes here.
#[must_use]
pub fn answer(roots: &Roots, effect: &Effect) -> Answer {
    match effect {
        Effect::ReadFile(effect) => Answer::ReadFile(files::read_file(roots, effect)),
        Effect::ReadMany(effect) => Answer::ReadMany(files::read_many(roots, effect)),
        Effect::List(effect) => Answer::List(files::list(roots, effect)),
        Effect::WriteAtomic(effect) => Answer::WriteAtomic(commit::commit_one(roots, effect)),
        Effect::Append(effect) => Answer::Append(files::append(roots, effect)),
        Effect::Rename(effect) => Answer::Rename(files::rename(roots, effect)),
        Effect::Remove(effect) => Answer::Remove(files::remove(roots, effect)),
        Effect::Random(effect) => Answer::Random(random::random(effect)),
        unknown => unknown.failed(IoError::new(IoErrorKind::Unsupported, "this host does not know the effect")),
    }
}
